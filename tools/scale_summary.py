#!/usr/bin/env python3
"""scale_summary.py OUT PLOT.svg: tables and plot of docs/SCALING.md, from what tools/simulate_h100.sh left in OUT."""
import csv
import re
import sys
from pathlib import Path

CAPTION, WIDTH, HEIGHT = 40, 540, 410
SHAPES = "window", "retention"


def rows_of(folder):
    """Simulated and predicted rows by (kind of self-decoder, tokens, ranks, chunk)."""
    kinds = {"simulated": {}, "predicted": {}}
    with open(folder / "scale.csv", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            shape = "retention" if "retention" in row["model"] else "window"
            kinds[row["kind"]][shape, int(row["tokens"]), int(row["ranks"]), int(row["chunk"])] = row
    return kinds["simulated"], kinds["predicted"]


def milliseconds(row, field):
    value = 1e3 * float(row[field])
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def cells(key, simulated, predicted):
    """Chunk, prefill, the formula's error ("alone" where nothing was simulated), efficiency, limit, step."""
    formula, row = predicted[key], simulated.get(key)
    chunk, limit = f"{key[3]:,}", formula["prefill_limit"]
    if not row:
        return [chunk, milliseconds(formula, "prefill_s"), "alone", "", limit, milliseconds(formula, "step_s")]
    off = round(100 * (float(formula["prefill_s"]) / float(row["prefill_s"]) - 1), 1) + 0.0
    efficiency = 100 * float(row["prefill_efficiency"])
    return [chunk, milliseconds(row, "prefill_s"), f"{off:+.1f} %", f"{efficiency:.0f} %", limit,
            milliseconds(row, "step_s")]


def print_scaling(simulated, predicted):
    """A table for each number of tokens, both self-decoders side by side."""
    for tokens in sorted({key[1] for key in predicted}):
        print(f"{tokens >> 20}M tokens:\n")
        print("| ranks |" + "".join(f" {shape}: chunk | prefill ms | formula | efficiency | limit | step ms |"
                                    for shape in SHAPES))
        print("|---:|" + 2 * "---:|---:|---:|---:|---|---:|")
        for ranks in sorted({key[2] for key in predicted if key[1] == tokens}):
            line = [f"{ranks:,}"]
            for shape in SHAPES:
                key = next(key for key in predicted if key[:3] == (shape, tokens, ranks))
                line += cells(key, simulated, predicted)
            print("| " + " | ".join(line) + " |")
        print()


def print_chunks(chosen, tried):
    """The formula's chunk against the best of those tried."""
    print("| self-decoder | ranks | formula's chunk | prefill ms | best chunk | prefill ms | longer by |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for shape, tokens, ranks in sorted({key[:3] for key in tried}, key=lambda key: (SHAPES.index(key[0]), key)):
        mine = next(key for key in chosen if key[:3] == (shape, tokens, ranks))
        rows = {mine: chosen[mine]} | {key: row for key, row in tried.items() if key[:3] == mine[:3]}
        best = min(rows, key=lambda key: float(rows[key]["prefill_s"]))
        more = 100 * (float(rows[mine]["prefill_s"]) / float(rows[best]["prefill_s"]) - 1)
        print(f"| {shape} | {ranks:,} | {mine[3]:,} | {milliseconds(rows[mine], 'prefill_s')} | {best[3]:,} "
              f"| {milliseconds(rows[best], 'prefill_s')} | {more:.1f} % |")


def save_plot(page, path):
    """The page's plots of efficiency, side by side, each below its experiment's heading."""
    parts = []
    for section in page.split("<h2>")[1:]:
        heading = section.split("</h2>")[0]
        plot = re.search(r"<svg [^>]*>\n<title>Prefill efficiency.*?</svg>", section, re.DOTALL)[0]
        x, y = WIDTH * (len(parts) % 2), (HEIGHT + CAPTION) * (len(parts) // 2)
        parts.append(f'<text x="{x + 14}" y="{y + 26}" font-size="16" fill="#1f2328">{heading}</text>\n'
                     + plot.replace("<svg ", f'<svg x="{x}" y="{y + CAPTION}" ', 1))
    height = (HEIGHT + CAPTION) * ((len(parts) + 1) // 2)
    path.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" width="{2 * WIDTH}" height="{height}" '
                    f'viewBox="0 0 {2 * WIDTH} {height}" font-family="Helvetica, Arial, sans-serif">\n'
                    '<rect width="100%" height="100%" fill="#ffffff"/>\n' + "\n".join(parts) + "\n</svg>\n",
                    encoding="utf-8")


def main():
    out, plot = Path(sys.argv[1]), Path(sys.argv[2])
    simulated, predicted = rows_of(out / "h100")
    print_scaling(simulated, predicted)
    print_chunks(simulated, rows_of(out / "chunks")[0])
    save_plot((out / "h100" / "report.html").read_text(encoding="utf-8"), plot)


main()
