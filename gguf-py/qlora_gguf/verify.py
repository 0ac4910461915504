"""Whether a GGUF file is sound beyond its structure: every tensor is decoded, and what is no number is named."""
from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from . import quants
from .adapters import is_adapter, read_gguf
from .errors import GgufError, UnsupportedError
from .files import Path
from .gguf import Tensor
from .gguf import open as open_gguf

_PIECE = 1 << 21  # elements at a time; whole blocks of every type


@dataclass
class Report:
    n_tensors: int = 0
    n_elements: int = 0
    n_bytes: int = 0
    faults: list[str] = field(default_factory=list)  # what makes the file unusable
    notes: list[str] = field(default_factory=list)  # what may be meant so


def _non_finite(t: Tensor, report: Report) -> None:
    raw, bad, first, any_value = t.raw(), 0, -1, False
    for at in range(0, t.n_elements, _PIECE):
        with np.errstate(all="ignore"):
            values = quants.decode_range(raw, t.dtype, t.n_elements, at, min(_PIECE, t.n_elements - at))
        finite = np.isfinite(values)
        if not finite.all():
            first = at + int(finite.argmin()) if first < 0 else first
            bad += int(finite.size - np.count_nonzero(finite))
        any_value |= bool(values.any())
    if bad:
        report.faults.append(f"tensor '{t.name}': {bad} of {t.n_elements} values are NaN or infinite, element {first} the first")
    if not any_value:
        report.notes.append(f"tensor '{t.name}' is all zeros")


def verify(path: Path) -> Report:
    """raises  OSError; GgufError: the file's structure is wrong"""
    report = Report()
    with open_gguf(path) as file:
        for t in file.tensors.values():
            report.n_tensors += 1
            report.n_elements += t.n_elements
            report.n_bytes += t.n_bytes
            if quants.can_decode(t.dtype):
                _non_finite(t, report)
            else:
                report.notes.append(f"tensor '{t.name}': {t.dtype.label} is not decoded here; its values were not looked at")
        if is_adapter(file) and not report.faults:
            try:
                read_gguf(path)
            except UnsupportedError as e:
                report.notes.append(f"{e.what}: as an adapter it was not looked at")
            except GgufError as e:
                report.faults.append(e.what)
    return report
