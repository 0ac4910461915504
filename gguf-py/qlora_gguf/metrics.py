"""Metrics files of ql-finetune: one JSON object a line. `plot` draws them (pip install 'qlora-gguf[plot]')."""
from __future__ import annotations

import io
import math
import os
from collections.abc import Sequence
from typing import Any

from .errors import GgufError
from .files import Path, read_small, write_whole
from .json_file import parse_object

_MAX_BYTES = 1 << 30
Points = tuple[list[float], list[float]]


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The lines, each with its step. A last line that a killed run did not finish is left out.    raises  OSError, GgufError"""
    text = read_small(path, _MAX_BYTES)
    lines = text.split(b"\n")
    rows = []
    for number, line in enumerate(lines[:-1], 1):
        row = parse_object(line, path, f"line {number} ")
        if not isinstance(row.get("step"), int) or isinstance(row["step"], bool):
            raise GgufError(f"line {number} has no step; is it a metrics file?", path)
        rows.append(row)
    if not rows:
        raise GgufError("holds no whole line", path)
    return rows


def points(rows: list[dict[str, Any]], key: str) -> Points:
    """Steps and values where a line has the key as a finite number."""
    found = [(row["step"], row[key]) for row in rows
             if isinstance(row.get(key), (int, float)) and not isinstance(row[key], bool) and math.isfinite(row[key])]
    return [float(step) for step, _ in found], [float(value) for _, value in found]


def plot(paths: Sequence[Path], output: Path) -> None:
    """Loss and evaluations over steps, the learning rate below, as PNG; one colour a file.
    raises  OSError; GgufError; ImportError: matplotlib is not installed"""
    runs = [(os.path.basename(os.fspath(path)), read_metrics(path)) for path in paths]
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 6), layout="constrained")
    loss, rate = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    for i, (name, rows) in enumerate(runs):
        loss.plot(*points(rows, "loss"), color=f"C{i}", linewidth=1, label=name)
        steps, values = points(rows, "eval_loss")
        if steps:
            loss.plot(steps, values, color=f"C{i}", marker="o", markersize=4, linestyle="--", label=f"{name}: held out")
        rate.plot(*points(rows, "lr"), color=f"C{i}", linewidth=1)
    loss.set_ylabel("loss, nats a token")
    rate.set_ylabel("learning rate")
    rate.set_xlabel("step")
    loss.legend()
    loss.grid(alpha=0.3)
    rate.grid(alpha=0.3)
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=110, metadata={"Software": None})
    write_whole(output, data.getvalue())
