#!/usr/bin/env python3
"""plot_log.py LOG.jsonl OUT.svg: share of wholly right answers over steps, with the levels of the curriculum."""
import json
import sys

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 760, 340, 56, 36, 16, 44


def text(x, y, content, anchor="middle", size=12):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">{content}</text>'


def main():
    entries = {entry["step"]: entry for entry in map(json.loads, open(sys.argv[1]))}
    steps = sorted(entries)
    plot_width, plot_height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def x(step):
        return LEFT + plot_width * step / steps[-1]

    def y(share):
        return TOP + plot_height * (1 - share)

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">',
             f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
             text(LEFT, 20, "share of wholly right answers at the level reached", "start", 14)]
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(share):.1f}" y2="{y(share):.1f}" stroke="#ddd"/>')
        parts.append(text(LEFT - 8, y(share) + 4, share, "end"))
    for step in range(0, steps[-1] + 1, 1000):
        parts.append(text(x(step), HEIGHT - BOTTOM + 18, step))
    parts.append(text(LEFT + plot_width / 2, HEIGHT - 8, "step"))
    level = None
    for step in steps:
        if entries[step]["level"] != level:
            level = entries[step]["level"]
            parts.append(f'<line x1="{x(step):.1f}" x2="{x(step):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" '
                         'stroke="#d55e00" stroke-dasharray="3 3"/>')
            parts.append(text(x(step) + 3, TOP + 12, level, "start", 11))
    points = " ".join(f"{x(step):.1f},{y(entries[step]['right']):.1f}" for step in steps)
    parts.append(f'<polyline points="{points}" fill="none" stroke="#0072b2" stroke-width="1.5"/>')
    parts.append("</svg>")
    with open(sys.argv[2], "w") as out:
        out.write("\n".join(parts) + "\n")


if __name__ == "__main__":
    main()
