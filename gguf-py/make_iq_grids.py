#!/usr/bin/env python3
"""Writes the grids of the iq types, for C++ and for Python: the points that groups of four or eight weights may take.

    pip install gguf==0.19.0
    python3 gguf-py/make_iq_grids.py

The grids are upstream's choice, a part of the formats: they are data, read from its Python package. A point is written as
one number: the places of its coordinates in the grid's list of values, 2 bits each (3 where there are eight values).
"""
import pathlib

import numpy as np
from gguf import quants

ROOT = pathlib.Path(__file__).resolve().parents[1]
GRIDS = [("iq2_xxs", quants.IQ2_XXS), ("iq2_xs", quants.IQ2_XS), ("iq2_s", quants.IQ2_S), ("iq3_xxs", quants.IQ3_XXS),
         ("iq3_s", quants.IQ3_S), ("iq1", quants.IQ1_S)]


def points(kind):
    kind.init_grid()
    grid, values = kind.grid.reshape(kind.grid_shape).astype(int), list(kind.grid_map)
    bits = 2 if len(values) <= 4 else 3
    places = np.vectorize(values.index)(grid)
    return (places << np.arange(grid.shape[1]) * bits).sum(axis=1), values


def cpp():
    lines = ["// The points of the iq grids, written by gguf-py/make_iq_grids.py from upstream's package; included by iq_grids.cpp.",
             "// A number holds the places of a point's coordinates in the list of values, the first in the lowest bits."]
    for name, kind in GRIDS:
        numbers, values = points(kind)
        lines += ["", f"constexpr int8_t k_{name}_values[] = {{{', '.join(map(str, values))}}};",
                  f"constexpr uint16_t k_{name}_points[{len(numbers)}] = {{"]
        lines += ["    " + ", ".join(f"0x{n:04x}" for n in numbers[i:i + 14]) + "," for i in range(0, len(numbers), 14)]
        lines.append("};")
    return "\n".join(lines) + "\n"


def python():
    lines = ['"""The grids of the iq types, written by make_iq_grids.py from upstream\'s package: by name the values of a coordinate, how',
             "many coordinates a point has, and its points, four hexadecimal digits each: the places of the coordinates in the list of",
             'values, the first in the lowest bits."""', "", "GRIDS: dict[str, tuple[tuple[int, ...], int, str]] = {"]
    for name, kind in GRIDS:
        numbers, values = points(kind)
        digits = "".join(f"{n:04x}" for n in numbers)
        lines.append(f'    "{name}": ({tuple(values)}, {kind.grid_shape[1]}, (')
        lines += [f'        "{digits[i:i + 104]}"' for i in range(0, len(digits), 104)]
        lines.append("    )),")
    return "\n".join(lines + ["}", ""])


if __name__ == "__main__":
    (ROOT / "ggml/dtypes/iq_grids.inl").write_text(cpp())
    (ROOT / "gguf-py/qlora_gguf/quants/iq_grids.py").write_text(python())
