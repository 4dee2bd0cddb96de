#!/usr/bin/env python3
"""figures.py BUILD OUT [--measure TOKENS,...]: figures 6 to 10 of the YOCO paper (arXiv 2405.05254), a Transformer against
YOCO with windows and with gated retention: memory planned, prefill and throughput predicted for one H100 at the paper's 3B
shape and, with --measure, measured on this machine at the 160M shape. Writes OUT/figures.html and prints its tables; measured
runs go on where they stopped."""
import argparse
import csv
import html
import json
import math
import re
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KINDS = {"Transformer": "transformer-{}", "YOCO, window": "yoco-{}-window", "YOCO, retention": "yoco-{}-retention"}
COLORS = {"Transformer": "#d55e00", "YOCO, window": "#0072b2", "YOCO, retention": "#009e73"}
LENGTHS = [32 << 10 << i for i in range(6)]
GENERATED = 256
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 540, 400, 74, 522, 20, 300
# Ratios that the paper gives, Transformer by YOCO; see docs/SCALING.md.
PAPER_MEMORY = {32: 1.95, 64: 2.32, 128: 3.01, 256: 4.16, 512: 6.39, 1024: 9.38}
PAPER_LAYERS = {"1.2B": 24, "3B": 26, "32 layers": 32, "40 layers": 40, "64 layers": 64, "65B": 80}


def short(tokens):
    return f"{tokens >> 20}M" if tokens >= 1 << 20 else f"{tokens >> 10}K"


def shape(kind, size):
    return f"configs/shapes/{KINDS[kind].format(size)}.json"  # from ROOT


def plan(yoco, model, tokens):
    """MiB of rank 0 by line of the plan."""
    text = subprocess.run([yoco, "plan", "-m", model, "--tokens", str(tokens)], check=True, cwd=ROOT,
                          capture_output=True, text=True)
    return {name: float(mib) for name, mib in re.findall(r"^  (\S.*?) +([0-9.]+) MiB$", text.stdout, re.MULTILINE)}


def token_bytes(yoco, config):
    """K,V of a token in bf16: the model's, and a Transformer's of its shape."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(config, file)
        file.flush()
        text = subprocess.run([yoco, "plan", "-m", file.name, "--tokens", "32K", "--compare"], check=True,
                              cwd=ROOT, capture_output=True, text=True).stdout
    return map(int, re.search(r"K,V of a token: (\d+) bytes, .*: (\d+) bytes", text).groups())


def sweep(yoco, folder, kind, size, lengths, *options):
    subprocess.run([yoco, "scale", "-m", shape(kind, size), "-o", folder, "--ranks", "1", "--tokens",
                    ",".join(map(str, lengths)), *options], check=True, cwd=ROOT)


def rows_of(folder):
    """Rows of a sweep by kind of model, tokens and branches."""
    names = {pattern.replace("{}", ""): kind for kind, pattern in KINDS.items()}
    with open(folder / "scale.csv", encoding="utf-8", newline="") as file:
        return {(names[re.sub(r"160m|3b", "", Path(row["model"]).stem)], int(row["tokens"]), int(row["branches"])): row
                for row in csv.DictReader(file)}


def ticks(low, high):
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    values = [digit * 10.0**power for power in powers for digit in ((1, 2, 5) if high / low < 300 else (1,))]
    return [value for value in values if low <= value <= high]


def plot(title, y_title, lengths, series):
    """Lines over the length, both axes logarithmic. series: (label, color, dashed, values; None where there is none)."""
    values = [v for *_, line in series for v in line if v is not None]
    low, high = min(values) / 1.4, max(values) * 1.4
    span = max(len(lengths) - 1, 1)

    def x_at(i):
        return LEFT + 20 + (RIGHT - LEFT - 40) * i / span

    def y_at(value):
        return BOTTOM - (BOTTOM - TOP) * math.log(value / low) / math.log(high / low)

    out = [f'<figure><h3>{title}</h3><svg viewBox="0 0 {WIDTH} {HEIGHT - 70 + 20 * len(series) + 30}" role="img">'
           f"<title>{title}</title>"]
    for value in ticks(low, high):
        y = y_at(value)
        out.append(f'<path d="M{LEFT} {y:.1f}H{RIGHT}" class="grid"/><text x="{LEFT - 8}" y="{y + 4:.1f}" '
                   f'text-anchor="end">{value:,.10g}</text>')
    for i, tokens in enumerate(lengths):
        out.append(f'<text x="{x_at(i):.1f}" y="{BOTTOM + 18}" text-anchor="middle">{short(tokens)}</text>')
    out.append(f'<text x="{(LEFT + RIGHT) / 2}" y="{BOTTOM + 38}" text-anchor="middle">tokens</text>'
               f'<text transform="translate(16 {(TOP + BOTTOM) / 2}) rotate(-90)" text-anchor="middle">{y_title}</text>')
    for n, (label, color, dashed, line) in enumerate(series):
        points = [(x_at(i), y_at(v)) for i, v in enumerate(line) if v is not None]
        dash = ' stroke-dasharray="6 4"' if dashed else ""
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        out.append(f'<path d="M{path}" stroke="{color}"{dash} class="line"/>')
        out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{color}"/>' for x, y in points]
        y = BOTTOM + 64 + 20 * n
        out.append(f'<path d="M{LEFT} {y - 4}h28" stroke="{color}"{dash} class="line"/>'
                   f'<text x="{LEFT + 36}" y="{y}">{html.escape(label)}</text>')
    return "\n".join(out) + "</svg></figure>"


def table(head, rows):
    """The same as HTML and, printed, as Markdown."""
    print("| " + " | ".join(head) + " |\n|" + "---:|" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()
    cells = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    heads = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
    return f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{cells}</tbody></table></div>'


def memory(yoco):
    plans = {kind: [plan(yoco, shape(kind, "3b"), n) for n in LENGTHS] for kind in KINDS}
    parts = [(kind, lines[-1]) for kind, lines in plans.items()]
    weights, kv = "weights", "shared K,V of the context"
    breakdown = [[kind, f"{p[weights] / 1024:.2f}", f"{p[kv] / 1024:.2f}",
                  f"{(p['total'] - p[weights] - p[kv]) / 1024:.2f}", f"{p['total'] / 1024:.2f}"] for kind, p in parts]
    gib = {kind: [p["total"] / 1024 for p in lines] for kind, lines in plans.items()}
    rows = [[short(n), *(f"{gib[kind][i]:.2f}" for kind in KINDS),
             *(f"{gib['Transformer'][i] / gib[kind][i]:.2f}" for kind in list(KINDS)[1:]), f"{PAPER_MEMORY[n >> 10]}"]
            for i, n in enumerate(LENGTHS)]
    return ("<h2>Figures 6 and 7: memory</h2><p>Planned, 3B, bf16, one rank, GiB; the parts at 1M tokens.</p>"
            + table(["", "weights", "K,V", "the rest", "in all"], breakdown)
            + plot("Memory of one rank, 3B, planned", "GiB", LENGTHS,
                   [(kind, COLORS[kind], False, gib[kind]) for kind in KINDS])
            + table(["tokens", *KINDS, "times window", "times retention", "paper"], rows))


def keys_and_values(yoco):
    rows = []
    for size, layers in PAPER_LAYERS.items():
        heads, width = (24, 8) if size == "3B" else (64, 16) if size == "65B" else (32, 8)
        few, many = token_bytes(yoco, {"dim": 128 * heads, "n_layers": layers, "hidden_dim": 128, "n_self_heads": heads,
                                       "n_attn_heads": heads, "n_attn_kv_heads": width, "max_seq_len": 65536,
                                       "sliding_window": None, "vocab_size": 32000})
        rows.append([size, str(layers), f"{many:,}", f"{few:,}", f"{many / few:g}"])
    return ("<h2>Figure 8: K,V of a token</h2><p>Bytes in bf16, counted. The paper names heads for 3B and 65B only: the others "
            "have 8 of K,V here, which the ratio does not depend on: it is the number of layers, as in the paper.</p>"
            + table(["model", "layers", "Transformer", "YOCO", "times"], rows))


def times_table(rows, lengths, value, digits):
    out = []
    for n in lengths:
        first, *others = (value(rows[kind, n, 1]) for kind in KINDS)
        out.append([short(n), *(f"{v:.{digits}g}" for v in (first, *others)),
                    *(f"{max(first, v) / min(first, v):.2f}" for v in others)])
    return table(["tokens", *KINDS, "times window", "times retention"], out)


def memory_gib(row):
    return float(row["memory_bytes"]) / (1 << 30)


def prefill_s(row):
    return float(row["prefill_s"])


def tokens_s(row):
    """Of all branches, each of which generates, the prefill included."""
    return GENERATED * int(row["branches"]) / (prefill_s(row) + GENERATED * float(row["step_s"]))


def times(rows, lengths, where):
    lines = [(kind, COLORS[kind], False, [prefill_s(rows[kind, n, 1]) for n in lengths]) for kind in KINDS]
    branches = sorted({key[2] for key in rows})
    rates = [(f"{kind}, questions: {b}", COLORS[kind], b > 1, [tokens_s(rows[kind, n, b]) for n in lengths])
             for kind in KINDS for b in branches]
    return (f"<h2>Figure 9: prefill, {where}</h2>" + plot(f"Prefill, {where}", "seconds", lengths, lines)
            + times_table(rows, lengths, prefill_s, 4)
            + f"<h2>Figure 10: throughput, {where}</h2><p>Tokens generated a second, {GENERATED} for each question about one "
            "document, whose prefill is included.</p>" + plot(f"Throughput, {where}", "tokens/s", lengths, rates)
            + times_table(rows, lengths, tokens_s, 4))


STYLE = """:root{color-scheme:light dark;--ink:#1f2328;--faint:#57606a;--line:#d8dee4;--page:#fff}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--faint:#9aa4af;--line:#343b44;--page:#11151a}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1.5rem 1rem 4rem;max-width:60rem;background:var(--page);color:var(--ink);
font:16px/1.5 system-ui,Helvetica,Arial,sans-serif}
h2{margin:2.5rem 0 .5rem;font-size:1.25rem}h3{margin:0 0 .4rem;font-size:1.05rem}p{max-width:48rem}
figure{margin:1rem 0;max-width:40rem;overflow-x:auto}svg{display:block;width:100%;min-width:28rem;height:auto}
svg text{font-size:13px;fill:var(--faint)}.grid{stroke:var(--line)}.line{fill:none;stroke-width:2}
.scroll{overflow-x:auto;max-width:max-content;border:1px solid var(--line);border-radius:8px}
table{border-collapse:collapse;font-size:.9rem}
th,td{padding:.35rem .8rem;text-align:right;white-space:nowrap;border-top:1px solid var(--line)}
th{color:var(--faint)}th:first-child,td:first-child{text-align:left}"""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--measure", metavar="TOKENS", help="lengths to measure at the 160M shapes: 1024,4096,16384")
    args = parser.parse_args()
    yoco, out = args.build.resolve() / "yoco", args.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    for kind in KINDS:
        sweep(yoco, out / "h100", kind, "3b", LENGTHS, "--branches", "1,8", "--predict", "--hardware", "h100-infiniband")
    body = memory(yoco) + keys_and_values(yoco)
    body += times(rows_of(out / "h100"), LENGTHS, "3B, one H100, predicted")
    if args.measure:
        lengths = [int(n) for n in args.measure.split(",")]
        for kind in KINDS:
            sweep(yoco, out / "measured", kind, "160m", lengths, "--runs", "1", "--steps", "4")
        measured = rows_of(out / "measured")
        machine = next(iter(measured.values()))["machine"]
        body += "<h2>Figure 7: memory, 160M, measured</h2><p>GiB of the process at its most.</p>"
        body += times_table(measured, lengths, memory_gib, 3)
        body += times(measured, lengths, html.escape(f"160M, measured on {machine}"))
    (out / "figures.html").write_text(
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>Transformer and YOCO</title><style>{STYLE}</style></head><body><h1>Transformer and YOCO</h1>\n"
        "<p>The paper's figures 6 to 10 (arXiv 2405.05254), made anew by tools/figures.py. Planned and counted figures are "
        "exact, predicted ones rest on data sheets: no promise about a real GPU. A Transformer of 1M tokens does not fit into "
        f"80 GB; its times are as if it did.</p>\n{body}</body></html>\n", encoding="utf-8")


main()
