"""qlora-gguf: what qlora.cpp writes, in Python with NumPy alone.

    from qlora_gguf import gguf, quants

    with gguf.open("base-nf4.gguf") as file:
        file.get_str("general.architecture")                   # "llama"
        w = file.tensors["blk.0.attn_q.weight"].decode()       # float32, [rows, columns]

    writer = gguf.Writer()
    writer.set_str("general.architecture", "llama")
    writer.add_array("blk.0.attn_q.weight", w, "nf4_dq")
    writer.write("copy.gguf")                                  # the whole file or nothing

Codecs give the bits of the C++ library. Files are not trusted: what is wrong with one is a `GgufError`.
"""
from .dtypes import DType
from .errors import GgufError

__version__ = "0.1.0"
__all__ = ["DType", "GgufError", "__version__"]
