"""Where an adapter comes from: the keys under "qlora." that ql-adapter keeps through GGUF and PEFT. They are carried as they
are; nothing that is computed depends on them."""
from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from ..errors import GgufError
from ..gguf import GgufFile, ValueType, Writer
from ..gguf.format import to_bytes

OTHER_BASE = "qlora.other_base"
_TEXTS = ("base.identity", "base.file_hash", "base.type", "init", "seed", "options", "composed", OTHER_BASE[6:], "merge.type",
          "merge.base", "merge.rounding", "peft_fields")
_RUN = (("data", str), ("options", str), ("library", str), ("steps", int), ("tokens", int), ("loss_first", float),
        ("loss_last", float), ("eval_best", float))
_MOST_RUNS = 1000
_BEFORE = {f"qlora.merge.{key}": f"ql.adapter.merge_{key}" for key in ("type", "base")}  # where older adapters keep it

PEFT_FIELDS, NAME, BASE_NAME, CHAT_DATE = "qlora.peft_fields", "qlora.name", "qlora.base_name", "qlora.chat_date"
CHAT_KWARGS = "qlora.chat_template_kwargs"
Value = str | int | float


def _fields(n_runs: int) -> list[tuple[str, type]]:
    """Keys in the order of the files, each with the type of its value."""
    fields: list[tuple[str, type]] = [(f"qlora.{key}", str) for key in _TEXTS]
    fields.append(("qlora.runs", int))
    return fields + [(f"qlora.run.{i}.{key}", kind) for i in range(n_runs) for key, kind in _RUN]


def _check_runs(n: int) -> int:
    if not 0 <= n <= _MOST_RUNS:
        raise GgufError(f"qlora.runs is {n}, 0 to {_MOST_RUNS} are possible")
    return n


def from_gguf(file: GgufFile) -> dict[str, Value]:
    def value(key: str, kind: type) -> Value:
        return file.get_str(key) if kind is str else file.get_int(key) if kind is int else file.get_float(key)

    n_runs = _check_runs(file.get_int("qlora.runs")) if "qlora.runs" in file.keys else 0
    found: dict[str, Value] = {}
    for key, kind in _fields(n_runs):
        at = key if key in file.keys else _BEFORE.get(key, key)
        if at in file.keys:
            found[key] = value(at, kind)
    return found


def to_gguf(origin: Mapping[str, Value], w: Writer) -> None:
    for key, kind in _fields(int(origin.get("qlora.runs", 0))):
        if key not in origin:
            continue
        value = origin[key]
        if kind is str:
            w.set_str(key, str(value))
        elif kind is int:
            w.set_int(key, int(value), ValueType.I64)
        else:
            w.set_float(key, float(value), ValueType.F64)


def number_text(value: float) -> str:
    """The shortest text that gives the number back, as std::to_chars writes it."""
    sign, digits, exponent = Decimal(repr(value)).as_tuple()
    assert isinstance(exponent, int)
    figures = "".join(map(str, digits)).lstrip("0") or "0"
    stripped = figures.rstrip("0") or "0"
    exponent += len(figures) - len(stripped)
    if stripped == "0":
        return "-0" if sign else "0"
    power = exponent + len(stripped) - 1
    scientific = stripped[0] + ("." + stripped[1:] if len(stripped) > 1 else "") + f"e{'-' if power < 0 else '+'}{abs(power):02d}"
    fixed = format(Decimal((0, tuple(map(int, stripped)), exponent)), "f")
    return "-" * sign + (fixed if len(fixed) <= len(scientific) else scientific)


def to_texts(origin: Mapping[str, Value]) -> dict[str, str]:
    return {key: number_text(value) if isinstance(value, float) else str(value)
            for key, value in origin.items() if key != PEFT_FIELDS}


def from_texts(texts: Mapping[str, object]) -> dict[str, Value]:
    """Of a safetensors file's metadata, where another program may have put anything."""
    known = {key: text for key, text in texts.items() if isinstance(text, str)}

    def number(key: str, kind: type) -> Value:
        try:
            value: Value = kind(known[key])
        except ValueError:
            raise GgufError(f"{key}: '{known[key][:40]}' is no number") from None
        return value

    n_runs = _check_runs(int(number("qlora.runs", int))) if "qlora.runs" in known else 0
    return {key: known[key] if kind is str else number(key, kind) for key, kind in _fields(n_runs) if key in known}


def add_other_base(origin: dict[str, Value], what: str) -> None:
    """Notes a base that an adapter was taken over though it was trained on another one."""
    known = str(origin.get(OTHER_BASE, ""))
    if what in known or len(to_bytes(known)) + len(to_bytes(what)) > 1000:
        return
    origin[OTHER_BASE] = f"{known}; {what}" if known else what
