"""The JSON files of Hugging Face and PEFT directories. Nothing of them is trusted: size, double keys and types are
checked, and a setting that nobody read is refused by name, since it may change what is computed."""
from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from .errors import GgufError
from .files import Path, read_small

_MAX_BYTES = 100_000_000


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice in one object")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def parse_object(data: bytes, path: Path, what: str = "") -> dict[str, Any]:
    """raises  GgufError: no JSON, or no object"""
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_object, parse_constant=_no_constant)
    except (ValueError, RecursionError) as e:
        raise GgufError(f"{what}is no JSON: {str(e)[:160]}", path) from None
    if not isinstance(value, dict):
        raise GgufError(f"{what}is no JSON object", path)
    return value


def read_object(path: Path) -> dict[str, Any]:
    return parse_object(read_small(path, _MAX_BYTES), path)


def says_nothing(value: Any) -> bool:
    """null, false, "", [] and {}: a field is there but sets nothing. A number always says something."""
    return value is None or value is False or (not isinstance(value, (int, float)) and len(value) == 0)


class JsonFile:
    """An object of a file. A key that is missing or null gives the default, or is an error where there is none."""

    def __init__(self, path: Path, root: Mapping[str, Any]) -> None:
        self.path, self._root, self._asked = path, root, set[str]()

    @classmethod
    def open(cls, path: Path) -> JsonFile:
        return cls(path, read_object(path))

    def at(self, key: str) -> Any:
        self._asked.add(key)
        return self._root.get(key)

    def wrong(self, key: str, what: str) -> GgufError:
        return GgufError(f"'{key}' {what}, got {json.dumps(self.at(key))[:60]}", self.path)

    def size(self, key: str, missing: int | None = None) -> int:
        value = self._value(key, missing, "a whole number from 0 on", int)
        if not 0 <= value < 2**31:
            raise self.wrong(key, "is out of range")
        return int(value)

    def number(self, key: str, missing: float | None = None) -> float:
        value = self._value(key, missing, "a number", (int, float))
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise self.wrong(key, "must be finite")
        return number

    def text(self, key: str, missing: str | None = None) -> str:
        return str(self._value(key, missing, "a string", str))

    def flag(self, key: str, missing: bool | None = None) -> bool:
        return bool(self._value(key, missing, "true or false", bool))

    def part(self, key: str) -> JsonFile:
        """An object inside; an empty one where it is missing."""
        return JsonFile(f"{self.path}: {key}", self._value(key, {}, "an object", dict))

    def items(self) -> list[str]:
        return list(self._root)

    def _value(self, key: str, missing: Any, wanted: str, kind: Any) -> Any:
        value = self.at(key)
        if value is None and missing is not None:
            return missing
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self.wrong(key, f"must be {wanted}")
        return value

    def unread(self, harmless: Mapping[str, float | None]) -> dict[str, Any]:
        """The fields that say something, that nobody read and that are not harmless."""
        return {key: value for key, value in self._root.items()
                if not (key in self._asked or says_nothing(value) or key in harmless)}

    def refuse_unread(self, harmless: Mapping[str, float | None]) -> None:
        """harmless: keys that no reader needs, with the only value that is (None: whatever the value)."""
        for key, value in self._root.items():
            if key in self._asked or says_nothing(value):
                continue
            if key not in harmless:
                raise GgufError(f"'{key[:60]}' is not known here and may change what is computed "
                                f"({json.dumps(value)[:60]}); take it out if it does not", self.path)
            only = harmless[key]
            if only is not None and value != only:
                raise GgufError(f"'{key[:60]}' is {json.dumps(value)[:60]}, only {only:g} is supported", self.path)
