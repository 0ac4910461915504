"""Writing a model file with other weight types."""
from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import _structs as s
from ._convert import Options, field_types, path_bytes, record
from ._library import capi, check
from ._records import QuantizedTensor
from ._run import Run

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._records import QuantizeOptions

_CALLBACK = field_types(s.ql_quantize_options)["on_tensor"]


def quantize(source: str | os.PathLike[str], out: str | os.PathLike[str],
             on_tensor: Callable[[QuantizedTensor], Any] | None = None, **options: Unpack[QuantizeOptions]) -> None:
    """Writes a GGUF file anew, or a Hugging Face directory as one, block matrices of `type` ("nf4_dq", or "keep"): whole,
    or, after an error or Ctrl-C, not at all.

    on_tensor is called for each tensor that has been converted; what it raises stops the writing."""
    given = Options(s.ql_quantize_options, options, "quantize")
    rewrite(capi.ql_quantize, (path_bytes(source, "source"), path_bytes(out, "out")), on_tensor, given)


def rewrite(function: Callable[..., int], arguments: tuple[Any, ...], on_tensor: Callable[[QuantizedTensor], Any] | None,
            given: Options) -> None:
    """A call that writes a model tensor by tensor."""

    def call(run: Run) -> None:
        def converted(_: Any, tensor: Any) -> int:
            try:
                return run.give(record(QuantizedTensor, tensor.contents))
            except BaseException as e:
                return run.fail(e)

        given.point("on_tensor", _CALLBACK(converted))
        check(function(*arguments, given.pointer))

    for tensor in Run(call).items():
        if on_tensor:
            on_tensor(tensor)
