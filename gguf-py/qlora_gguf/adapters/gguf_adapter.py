"""Adapters as GGUF, exactly as llama.cpp's loader accepts them, and with the bytes that ql-adapter writes."""
from __future__ import annotations

import datetime
import math
import re

import numpy as np
import numpy.typing as npt

from .. import llama
from ..dtypes import DType
from ..errors import GgufError, UnsupportedError
from ..files import Path
from ..gguf import GgufFile, Tensor, ValueType, Writer
from ..gguf import open as open_gguf
from . import origin
from .base import Base
from .lora import Adapter, LoraMatrix, check_adapter, check_base, check_fits, check_kwargs, fixed_a, sort_as_base
from .tokens import IDS, MOST_TOKENS, ROWS, rows_of_tensors
from .values import F32

_ALPHA, _TEMPLATE, _DATE = "adapter.lora.alpha", "tokenizer.chat_template", "adapter.chat_template.date"
_KWARGS = "adapter.chat_template.kwargs"
_INVOCATION = "adapter.alora.invocation_tokens"
_BASE_NAME, _KIND = "general.base_model.0.name", "adapter.lora.kind"
_KNOWN_KEYS = {"adapter.type", _ALPHA, _DATE, _KWARGS, _KIND, _INVOCATION, "adapter.lora.task_name", "adapter.lora.prompt_prefix"}
_A, _B, _MAGNITUDE = ".lora_a", ".lora_b", ".lora_magnitude"
KINDS = ("lora", "miss", "dora")
_TYPES = (DType.F32, DType.F16, DType.BF16, DType.Q8_0)  # in which llama.cpp loads adapters


def is_adapter(file: GgufFile) -> bool:
    return file.keys.get("general.type") == "adapter"


def _read_alpha(file: GgufFile) -> float:
    if _ALPHA in file.keys and file.keys.type(_ALPHA) != ValueType.F32:
        raise GgufError(f"{_ALPHA} is of type {file.keys.type(_ALPHA).label}; it must be a 32-bit float")
    alpha = file.get_float(_ALPHA)
    if not math.isfinite(alpha):
        raise GgufError(f"{_ALPHA} is not finite")
    return alpha


def _check_date(date: str) -> str:
    try:
        if date and not (re.fullmatch(r"\d{4}-\d\d-\d\d", date, re.ASCII) and datetime.date.fromisoformat(date)):
            raise ValueError
    except ValueError:
        raise GgufError(f"{_DATE}: '{date[:40]}' is no date; write YYYY-MM-DD") from None
    return date


def _read_invocation(file: GgufFile) -> list[int]:
    if _INVOCATION not in file.keys:
        return []
    if file.keys.element_type(_INVOCATION) != ValueType.U32 or file.keys.count(_INVOCATION) == 0:
        raise GgufError(f"{_INVOCATION} must be an array of unsigned 32-bit integers, at least one")
    tokens: list[int] = file.get_array(_INVOCATION).tolist()
    for token in tokens:
        if token > MOST_TOKENS:
            raise GgufError(f"{_INVOCATION} holds {token}, which is no token")
    return tokens


def _read_keys(file: GgufFile) -> tuple[Adapter, float]:
    for key, expected in (("general.type", "adapter"), ("adapter.type", "lora")):
        if file.get_str(key) != expected:
            raise UnsupportedError(f"{key} is '{file.get_str(key)[:40]}', a LoRA adapter has '{expected}'")
    for key in file.keys:
        if key.startswith("adapter.") and key not in _KNOWN_KEYS:
            raise UnsupportedError(f"key '{key[:60]}' is not known here and may change what is computed")
    kind = file.get_str(_KIND, "lora")
    if kind not in KINDS:
        raise UnsupportedError(f"it is of kind '{kind[:40]}', which is not known; {', '.join(KINDS)} are")
    adapter = Adapter(file.get_str("general.architecture"), file.get_str("general.name", ""), file.get_str(_BASE_NAME, ""),
                      file.get_str(_TEMPLATE, ""), _check_date(file.get_str(_DATE, "")), kind, origin.from_gguf(file),
                      chat_kwargs=check_kwargs(_KWARGS, file.get_str(_KWARGS, "")), invocation=_read_invocation(file))
    return adapter, _read_alpha(file)


def _check_type(t: Tensor) -> None:
    if t.dtype not in _TYPES:
        raise UnsupportedError(f"tensor '{t.name}' is {t.dtype.label}; adapters are f32, f16, bf16 or q8_0")
    if any(n != 1 for n in t.shape[:-2]):  # of a stack of experts, perhaps
        raise UnsupportedError(f"tensor '{t.name}' has {len(t.shape)} dimensions, 2 are needed")


def _parts(file: GgufFile, norms: dict[str, F32], rows: dict[str, dict[str, Tensor]]) -> dict[str, dict[str, Tensor]]:
    """Tensors by the weight that they change, whole norms, and rows of tokens; others are an error."""
    found: dict[str, dict[str, Tensor]] = {}
    for name, t in file.tensors.items():
        of_rows = next((p for p in (ROWS, IDS) if name.endswith(p)), None)
        if of_rows is not None:
            if of_rows == ROWS:
                _check_type(t)
            rows.setdefault(name.removesuffix(of_rows), {})[of_rows] = t
            continue
        part = next((p for p in (_A, _B, _MAGNITUDE) if name.endswith(p)), None)
        if part is None and not llama.is_norm(name):
            raise GgufError(f"tensor '{name}' ends in neither .lora_a nor .lora_b")
        _check_type(t)
        if part is None:
            norms[name] = t.decode().reshape(-1)
        elif part != _MAGNITUDE and len(t.shape) < 2:
            raise GgufError(f"tensor '{name}' has {len(t.shape)} dimensions, 2 are needed")
        else:
            found.setdefault(name.removesuffix(part), {})[part] = t
    return found


def _read_matrix(weight: str, parts: dict[str, Tensor], adapter: Adapter, alpha: float, base: Base | None) -> LoraMatrix:
    if not {_A, _B} <= parts.keys():
        raise GgufError(f"'{weight[:64]}' has only one of .lora_a and .lora_b")
    a, b = (parts[half].decode().reshape(parts[half].shape[-2:]) for half in (_A, _B))
    if base is not None and adapter.architecture == base.architecture:
        check_fits(base, weight, (b.shape[0], a.shape[1]), parts[_A].name)
    if a.shape[0] != b.shape[1]:
        raise GgufError(f"'{weight}.lora_a' has rank {a.shape[0]}, '{weight}.lora_b' has {b.shape[1]}")
    scale = float(np.float32(alpha) / np.float32(a.shape[0])) if alpha != 0 else 1.0  # 0: not scaled, as llama.cpp
    magnitude = parts[_MAGNITUDE].decode().reshape(-1) if _MAGNITUDE in parts else None
    if adapter.kind == "miss":
        if not np.array_equal(a, fixed_a(weight, *a.shape)):
            raise GgufError(f"'{weight}' is said to be MiSS, but its A is not the fixed one")
        b, scale = b * np.float32(scale), 1.0  # a file has one alpha: that of another rank goes into B
    return LoraMatrix(weight, a, b, scale, magnitude)


def read_gguf(path: Path, base: Base | None = None, *, any_base: bool = False) -> Adapter:
    """A GGUF adapter; checked against the base where that is at hand. any_base: though it says that it was trained on another.
    raises  OSError; UnsupportedError: of a kind that is not known here; GgufError"""
    with open_gguf(path) as file:
        try:
            adapter, alpha = _read_keys(file)
            if base is not None and adapter.architecture == base.architecture:
                check_base(adapter, base, any_base)  # before shapes: it says why they differ
            rows: dict[str, dict[str, Tensor]] = {}
            for weight, parts in sorted(_parts(file, adapter.norms, rows).items()):
                adapter.matrices.append(_read_matrix(weight, parts, adapter, alpha, base))
            for weight, parts in sorted(rows.items(), reverse=True):  # the embedding first
                adapter.rows.append(rows_of_tensors(parts.get(ROWS), parts.get(IDS), weight))
            check_adapter(adapter, base, any_base)
        except GgufError as e:
            raise e.of(file.path) from None
    if base is not None:
        sort_as_base(adapter, base)
    return adapter


def _common_alpha(adapter: Adapter) -> np.float32:
    """The format has one alpha, and s = alpha / r: the first branch's s * r; as it is when the file was read, so that the file
    is written again as it is."""
    scaled = next((m.gguf_alpha for m in adapter.matrices if m.scale != 0), np.float32(1))
    first = adapter.matrices[0]
    return LoraMatrix(first.weight, first.a, first.b, float(scaled / np.float32(first.r))).gguf_alpha


def _written_b(m: LoraMatrix, alpha: np.float32) -> npt.NDArray[np.float32]:
    """B for the one alpha: scaled where the branch's s * r is another."""
    ratio = float(np.float32(m.scale)) * m.r / float(alpha)
    if abs(ratio - 1) < 1e-6:  # equal but for the rounding of s * r
        return m.b
    with np.errstate(over="ignore"):
        b = (m.b.astype(np.float64) * ratio).astype(np.float32)
    if not np.isfinite(b).all():
        raise GgufError(f"'{m.weight}' times its scale is too large for f32")
    return b


def write_gguf(adapter: Adapter, path: Path, base: Base | None = None, *, any_base: bool = False) -> None:
    """any_base: as in read_gguf.    raises  OSError; GgufError: an adapter that is not sound, or does not fit the base"""
    check_adapter(adapter, base, any_base)
    alpha = _common_alpha(adapter)
    w = Writer()
    w.set_str("general.type", "adapter")
    w.set_str("general.architecture", adapter.architecture)
    if adapter.name:
        w.set_str("general.name", adapter.name)
    if adapter.base_name:
        w.set_int("general.base_model.count", 1)
        w.set_str(_BASE_NAME, adapter.base_name)
    w.set_str("adapter.type", "lora")
    if adapter.kind != "lora":
        w.set_str(_KIND, adapter.kind)
    w.set_float(_ALPHA, float(alpha))
    if adapter.chat_template:
        w.set_str(_TEMPLATE, adapter.chat_template)
    if adapter.invocation:
        w.set_array(_INVOCATION, np.array(adapter.invocation, np.uint32))
    if adapter.chat_date:
        w.set_str(_DATE, _check_date(adapter.chat_date))
    if adapter.chat_kwargs:
        w.set_str(_KWARGS, check_kwargs(_KWARGS, adapter.chat_kwargs))
    origin.to_gguf(adapter.origin, w)
    for m in adapter.matrices:
        w.add_array(f"{m.weight}{_A}", m.a)
        w.add_array(f"{m.weight}{_B}", _written_b(m, alpha))
        if m.magnitude is not None:
            w.add_array(f"{m.weight}{_MAGNITUDE}", m.magnitude[None])
    for weight, values in adapter.norms.items():
        w.add_array(weight, values[None])
    for rows in adapter.rows:
        ids = np.ascontiguousarray(rows.ids, "<i4")
        w.add_array(f"{rows.weight}{ROWS}", rows.values)
        w.add_raw(f"{rows.weight}{IDS}", DType.I32, ids.shape, ids.view(np.uint8))
    w.write(path)
