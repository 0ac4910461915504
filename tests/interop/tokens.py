"""The C API's tokenizer."""
import ctypes

from interop import LIBRARY


class Ours:
    def __init__(self, path):
        self._lib = ctypes.CDLL(str(LIBRARY))
        self._tokenizer = ctypes.c_void_p()
        self._call("ql_tokenizer_open", str(path).encode(), ctypes.byref(self._tokenizer))

    def _call(self, name, *arguments):
        assert getattr(self._lib, name)(*arguments) == 0, name

    def _tokenize(self, data, flags, tokens, capacity):
        n = ctypes.c_int64()
        self._call("ql_tokenize", self._tokenizer, data, ctypes.c_size_t(len(data)), ctypes.c_int(flags), tokens, None,
                   ctypes.c_int64(capacity), ctypes.byref(n))
        return n.value

    def tokenize(self, text, flags):
        data = text.encode()
        n = self._tokenize(data, flags, None, 0)
        tokens = (ctypes.c_int32 * n)()
        self._tokenize(data, flags, tokens, n)
        return list(tokens)
