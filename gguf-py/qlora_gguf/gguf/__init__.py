"""GGUF files, version 2 and 3: `open` reads, `Writer` writes. `format` describes the container."""
from .format import ValueType
from .reader import GgufFile, Keys, Tensor, open  # noqa: A004
from .writer import Writer

__all__ = ["GgufFile", "Keys", "Tensor", "ValueType", "Writer", "open"]
