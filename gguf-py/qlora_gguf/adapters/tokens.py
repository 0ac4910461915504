"""What an adapter has of single tokens: rows of the embedding, and of a head of its own, that take the place of the base's;
and the invocation, from whose last occurrence on an activated LoRA acts.                  (Greenewald et al. 2025)"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .. import llama
from ..errors import GgufError
from ..gguf import Tensor
from .base import Base
from .values import F32, check_array, check_values

ROWS, IDS = ".rows", ".row_ids"
MOST_TOKENS = 2**31 - 1


@dataclass
class TokenRows:
    """ids: of the tokens, ascending, int32; values: their rows as they are now, [number of ids, columns]."""

    weight: str  # "token_embd.weight", which is the head too where the two are tied, or "output.weight"
    ids: npt.NDArray[np.int32]
    values: F32


def rows_of_tensors(values: Tensor | None, ids: Tensor | None, weight: str) -> TokenRows:
    """Of a GGUF file.    raises  GgufError without a path"""
    if values is None or ids is None:
        raise GgufError(f"'{weight[:64]}' has only one of {ROWS} and {IDS}")
    if ids.dtype.label != "i32" or len(ids.shape) != 1:
        raise GgufError(f"tensor '{ids.name}' is {ids.dtype.label} of {len(ids.shape)} dimensions; ids are i32 of one")
    flat, numbers = values.decode().reshape(-1), ids.array().astype(np.int32)
    if flat.size % len(numbers) != 0:
        raise GgufError(f"rows of '{weight}': {flat.size} values for {len(numbers)} tokens")
    return TokenRows(weight, numbers, flat.reshape(len(numbers), -1))


def _check_ids(rows: TokenRows, n_vocab: int) -> None:
    if not isinstance(rows.ids, np.ndarray) or rows.ids.dtype != np.int32 or rows.ids.ndim != 1:
        raise TypeError(f"'{rows.weight}{IDS}' must be an array of int32 with 1 dimension")
    outside = (rows.ids < 0) | (rows.ids >= n_vocab)
    if outside.any():
        raise GgufError(f"rows of '{rows.weight}': token {rows.ids[outside.argmax()]}; 0 to {n_vocab - 1} are possible")
    behind = np.diff(rows.ids.astype(np.int64)) <= 0
    if behind.any():
        at = int(behind.argmax())
        raise GgufError(f"rows of '{rows.weight}': token {rows.ids[at + 1]} comes after {rows.ids[at]}; tokens ascend, each once")


def check_rows(rows: TokenRows, base: Base | None) -> None:
    """raises  GgufError without a path: rows of another weight, not sorted or sound, or of another base; TypeError"""
    if rows.weight not in (llama.EMBEDDING, llama.HEAD):
        raise GgufError(f"rows of '{rows.weight[:64]}': only embedding and head have rows of tokens")
    tables = base.token_tables() if base is not None else {}
    _check_ids(rows, tables.get(llama.EMBEDDING, (MOST_TOKENS,))[0])
    check_array(f"{rows.weight}{ROWS}", rows.values, 2)
    if len(rows.ids) != len(rows.values) or rows.values.size == 0:
        raise GgufError(f"rows of '{rows.weight}': {rows.values.size} values for {len(rows.ids)} tokens")
    if base is not None:
        if rows.weight not in tables:
            raise GgufError(f"rows of '{rows.weight}': the head of the model '{base.name}' is its embedding")
        if rows.values.shape[1] != tables[rows.weight][1]:
            raise GgufError(f"rows of '{rows.weight}' have {rows.values.shape[1]} values, those of the model '{base.name}' have "
                            f"{tables[rows.weight][1]}; is it an adapter for another model?")
    check_values(f"{rows.weight}{ROWS}", rows.values)


def check_invocation(invocation: Sequence[int], base: Base | None) -> None:
    """raises  GgufError without a path: no tokens of the base; TypeError"""
    n_vocab = base.token_tables().get(llama.EMBEDDING, (MOST_TOKENS,))[0] if base is not None else MOST_TOKENS
    for token in invocation:
        if isinstance(token, bool) or not isinstance(token, (int, np.integer)):
            raise TypeError(f"an invocation holds tokens' numbers, not {type(token).__name__}")
        if not 0 <= token < n_vocab:
            raise GgufError(f"an invocation with token {token}; 0 to {n_vocab - 1} are possible")
