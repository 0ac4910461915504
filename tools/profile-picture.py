#!/usr/bin/env python3
"""Draws the profile that ql-bench prints as a bar chart, SVG on stdout.

    ql-bench train -m MODEL.gguf --profile -v 2>&1 | tools/profile-picture.py > profile.svg

A bar is an operator's time in a step. Its solid part is the time that it would take at the machine's limit - of arithmetic or
of memory, whichever is nearer - and the pale rest is what could be won at most. Colours follow the reader's light or dark
scheme.
"""
import re
import sys
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT, TOP, ROW, BAR = 980, 150, 370, 112, 27, 17
SMALLEST = 0.003  # of a step; what is less goes into one bar
FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif"
STYLE = """
  .ground { fill: #ffffff } .title { fill: #1f2328 } .text { fill: #1f2328 } .quiet { fill: #59636e }
  .pale { fill: #b6d3f2 } .solid { fill: #1f6fbf } .grid { stroke: #d8dee4 }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117 } .title { fill: #f0f6fc } .text { fill: #e6edf3 } .quiet { fill: #9da7b1 }
    .pale { fill: #1c3a5e } .solid { fill: #58a6ff } .grid { stroke: #30363d }
  }
"""
CELLS = ("nodes", "ms", "of_step", "gflops", "of_peak", "gbs", "of_bandwidth")


def number(cell):
    return float(cell.replace(",", "").rstrip(" %"))


def read(lines):
    """The first profile's rows by name, and what stands around it: the lines of -v, the figure."""
    rows, about, figure, within = {}, {}, None, False
    for line in lines:
        cells = re.split(r" {2,}", line.strip())
        if cells[0] == "operator" and not rows:
            within = True
        elif within and len(cells) == 1 + len(CELLS):
            rows[cells[0]] = dict(zip(CELLS, map(number, cells[1:])))
            within = cells[0] != "all operators"
        elif cells[0] in ("device", "model") and len(cells) > 1:
            about[cells[0]] = cells[1]
        elif re.match(r"train_\d+$", cells[0]) and len(cells) >= 5:
            figure = cells
    return rows, about, figure


def bars(rows):
    """(name, row) by decreasing time, the small ones together."""
    ops = [(name, row) for name, row in rows.items() if name != "all operators"]
    large = [(name, row) for name, row in ops if row["of_step"] >= 100 * SMALLEST]
    small = [row for name, row in ops if row["of_step"] < 100 * SMALLEST]
    if small:
        rest = {key: sum(row[key] for row in small) for key in ("nodes", "ms", "of_step")}
        large.append((f"{len(small)} others", {**rest, "gflops": 0, "of_peak": 0, "gbs": 0, "of_bandwidth": 0}))
    return large


def limit(row):
    """The part of its limit that a row reaches, as a number and in words."""
    if row["gflops"] == 0 and row["gbs"] == 0:
        return 0, ""
    if row["of_peak"] >= row["of_bandwidth"]:
        return min(row["of_peak"] / 100, 1), f"{row['gflops']:,.0f} GFLOP/s, {row['of_peak']:.0f} % of peak"
    if row["of_bandwidth"] > 100:
        return 1, f"{row['gbs']:,.0f} GB/s, from the caches"
    return row["of_bandwidth"] / 100, f"{row['gbs']:,.0f} GB/s, {row['of_bandwidth']:.0f} % of bandwidth"


def text(x, y, words, kind="text", size=13, anchor="start", more=""):
    return (f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}"{more}>'
            f"{escape(words)}</text>")


def grid(longest, scale, bottom):
    """Lines at round numbers of ms, four to eight of them."""
    step = next(s * 10 ** e for e in range(-2, 6) for s in (1, 2, 5) if longest / (s * 10 ** e) <= 8)
    for i in range(int(longest / step) + 1):
        x = LEFT + i * step * scale
        yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 6}" y2="{bottom}"/>'
        yield text(x, TOP - 12, f"{i * step:g}" + (" ms" if i == 0 else ""), "quiet", 11, "middle")


def draw(rows, about, figure):
    drawn, everything = bars(rows), rows["all operators"]
    longest = max(row["ms"] for _, row in drawn)
    scale, bottom = (WIDTH - LEFT - RIGHT) / longest, TOP + ROW * len(drawn)
    height = bottom + 40
    heading = "Where a training step goes" if figure else "Where the time goes"
    rate = f"{figure[0]}, {figure[1]}: {figure[2]} tok/s, {figure[5]} of the limit" if figure and len(figure) > 5 else ""
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
           f'font-family="{FONT}" role="img">', f"<title>{escape(heading)}</title>", f"<style>{STYLE}</style>",
           f'<rect class="ground" width="{WIDTH}" height="{height}" rx="6"/>',
           text(20, 32, heading, "title", 19, more=' font-weight="600"'),
           text(20, 52, "; ".join(words for words in (rate, about.get("device", "")) if words), "quiet", 12),
           '<rect class="solid" x="20" y="63" width="12" height="12" rx="2"/>',
           text(38, 73, "the time it would take at the machine's limit", "quiet", 12),
           '<rect class="pale" x="320" y="63" width="12" height="12" rx="2"/>',
           text(338, 73, "the rest", "quiet", 12)]
    out += grid(longest, scale, bottom)
    for i, (name, row) in enumerate(drawn):
        y, (reached, words) = TOP + ROW * i + (ROW - BAR) / 2, limit(row)
        length = max(row["ms"] * scale, 1)
        base = y + BAR - 4
        out += [text(LEFT - 10, base, name, anchor="end"),
                f'<rect class="pale" x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR}" rx="2"/>',
                f'<rect class="solid" x="{LEFT}" y="{y}" width="{length * reached:.1f}" height="{BAR}" rx="2"/>',
                text(WIDTH - RIGHT + 85, base, f"{row['ms']:.1f} ms", anchor="end"),
                text(WIDTH - RIGHT + 150, base, f"{row['of_step']:.1f} %", anchor="end"),
                text(WIDTH - RIGHT + 164, base, words, "quiet", 12)]
    out += [text(LEFT - 10, bottom + 24, "all", anchor="end", more=' font-weight="600"'),
            text(WIDTH - RIGHT + 85, bottom + 24, f"{everything['ms']:.1f} ms", anchor="end", more=' font-weight="600"'),
            text(WIDTH - RIGHT + 150, bottom + 24, f"{everything['of_step']:.1f} %", anchor="end", more=' font-weight="600"'),
            text(WIDTH - RIGHT + 164, bottom + 24, limit(everything)[1], "quiet", 12), "</svg>"]
    return "\n".join(out)


def main():
    if len(sys.argv) > 1:
        print(__doc__.strip())
        return 0 if sys.argv[1] in ("-h", "--help") else 2
    rows, about, figure = read(sys.stdin)
    if "all operators" not in rows:
        print("profile-picture: no profile on stdin; see --help", file=sys.stderr)
        return 1
    print(draw(rows, about, figure))
    return 0


if __name__ == "__main__":
    sys.exit(main())
