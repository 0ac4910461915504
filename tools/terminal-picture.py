#!/usr/bin/env python3
"""Draws what a program shows on a terminal as an SVG.

    tools/terminal-picture.py [--columns 110] [--rows 40] [--title TEXT] -o terminal.svg -- COMMAND [ARGUMENT...]

Runs the command on a pseudo-terminal of that size, prints what it prints, and draws the screen as it stands at the end, without
the empty lines beneath. Needs pyte (PyPI, 0.8.2: the terminal). The exit status is the command's.
"""
import argparse
import fcntl
import os
import pty
import struct
import sys
import termios
from xml.sax.saxutils import escape

import pyte

CELL_WIDTH, CELL_HEIGHT, MARGIN, BAR, SIZE = 8.4, 18, 16, 30, 14
FONT = "ui-monospace, 'SFMono-Regular', Menlo, Consolas, 'DejaVu Sans Mono', monospace"
GROUND, TEXT, QUIET = "#0d1117", "#e6edf3", "#8b949e"
COLOURS = {"default": TEXT, "black": "#6e7681", "red": "#ff7b72", "green": "#3fb950", "brown": "#d29922", "yellow": "#d29922",
           "blue": "#58a6ff", "magenta": "#bc8cff", "cyan": "#39c5cf", "white": TEXT}


def arguments():
    split = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--columns", type=int, default=110)
    p.add_argument("--rows", type=int, default=40)
    p.add_argument("--title", default="")
    p.add_argument("-o", dest="out", required=True)
    args = p.parse_args(sys.argv[1:split])
    args.command = sys.argv[split + 1:]
    if not args.command:
        p.error("give a command behind --")
    return args


def run(command, screen):
    """Feeds the screen with what the command prints; its exit status."""
    child, terminal = pty.fork()
    if child == 0:
        os.environ["TERM"] = "xterm-256color"
        os.execvp(command[0], command)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", screen.lines, screen.columns, 0, 0))
    stream = pyte.ByteStream(screen)
    while True:
        try:
            printed = os.read(terminal, 1 << 16)
        except OSError:  # Linux says so when the last one has closed the other end
            break
        if not printed:
            break
        stream.feed(printed)
        os.write(1, printed)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def pieces(line, columns):
    """(column, text, cell) of each run of one colour and weight."""
    begin = 0
    while begin < columns:
        cell, end = line[begin], begin + 1
        while end < columns and line[end]._replace(data="") == cell._replace(data=""):
            end += 1
        text = "".join(line[i].data for i in range(begin, end))
        if text.strip():
            lead = len(text) - len(text.lstrip(" "))
            yield begin + lead, text.strip(" "), cell
        begin = end


def colour(cell):
    return COLOURS.get(cell.fg, f"#{cell.fg}")


def draw(screen, title):
    shown = max((y + 1 for y in range(screen.lines) if screen.display[y].strip()), default=1)
    width, top = screen.columns * CELL_WIDTH + 2 * MARGIN, BAR + MARGIN
    height = top + shown * CELL_HEIGHT + MARGIN
    yield (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}" height="{height}" '
           f'font-family="{FONT}" font-size="{SIZE}" role="img" aria-label="{escape(title)}">')
    yield f'<rect width="100%" height="100%" rx="8" fill="{GROUND}"/>'
    for i in range(3):
        yield f'<circle cx="{MARGIN + 6 + 20 * i}" cy="{BAR / 2 + 3}" r="6" fill="#30363d"/>'
    if title:
        yield f'<text x="{width / 2:.0f}" y="{BAR / 2 + 8}" text-anchor="middle" fill="{QUIET}">{escape(title)}</text>'
    for y in range(shown):
        for x, text, cell in pieces(screen.buffer[y], screen.columns):
            weight = ' font-weight="bold"' if cell.bold else ""
            yield (f'<text x="{MARGIN + x * CELL_WIDTH:.1f}" y="{top + (y + 0.75) * CELL_HEIGHT:.1f}" '
                   f'textLength="{len(text) * CELL_WIDTH:.1f}" lengthAdjust="spacingAndGlyphs" xml:space="preserve" '
                   f'fill="{colour(cell)}"{weight}>{escape(text)}</text>')
    yield "</svg>"


def main():
    args = arguments()
    screen = pyte.HistoryScreen(args.columns, args.rows)
    code = run(args.command, screen)
    with open(args.out, "w", encoding="utf-8") as out:
        out.writelines(line + "\n" for line in draw(screen, args.title))
    sys.exit(code)


if __name__ == "__main__":
    main()
