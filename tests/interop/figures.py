"""The committed figures of PyTorch, as make_figures.py wrote them."""
import json

import numpy as np

from interop import SOURCE

_FILE = SOURCE / "tests" / "golden" / "interop" / "logprobs.safetensors"
_DTYPES = {"F32": "<f4", "I32": "<i4"}


def _read():
    data = _FILE.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + size])
    metadata, arrays = header.pop("__metadata__"), {}
    for name, entry in header.items():
        begin, end = (8 + size + offset for offset in entry["data_offsets"])
        arrays[name] = np.frombuffer(data[begin:end], _DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return arrays, metadata


_ARRAYS, _METADATA = _read()


def prompt_tokens(i):
    """The tokens of the i-th prompt."""
    tokens = _ARRAYS["prompts"][i]
    return tokens[tokens >= 0].tolist()


class Case:
    """What PyTorch computed for a model, "f16" or "q4_1", with "+adapter" or without."""

    def __init__(self, name):
        self.name = name

    def _row(self, what, i):
        return _ARRAYS[f"{self.name}.{what}"][i].tolist()

    def top(self, i):
        """{id: log-probability} of the most probable tokens after prompt i, the best first."""
        return dict(zip(self._row("top_ids", i), self._row("top_logprobs", i)))

    def without_adapter(self, i):
        """The same tokens without the adapter."""
        return dict(zip(self._row("top_ids", i), self._row("without", i)))

    def text(self, i):
        """[(id, log-probability, its lead over the second)] of what is said greedily after prompt i."""
        rows = zip(self._row("text", i), self._row("text_logprobs", i), self._row("text_gaps", i))
        return [row for row in rows if row[0] >= 0]

    def bf16_distance(self):
        """How far PyTorch itself is from these figures where it computes in bf16: at most, and in the mean."""
        return tuple(float(_METADATA[f"{self.name}.bf16_{what}"]) for what in ("max", "mean"))
