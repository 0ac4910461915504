"""Our tokens against llama.cpp's: text.txt (hard cases of many kinds) and, where it is there, wikitext-2's validation text."""
import ctypes
from pathlib import Path

from interop import LIBRARY, MODEL, Llama, check, finish, shared

ADD_SPECIAL, PARSE_SPECIAL = 1, 2


class Ours:
    """The C API's tokenizer."""

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


def compare(name, text, ours, llama):
    for add_special, parse_special in (False, False), (True, True), (False, True):
        mine = ours.tokenize(text, ADD_SPECIAL * add_special + PARSE_SPECIAL * parse_special)
        theirs = llama.tokenize(text, add_special, parse_special)
        at = next((i for i, (a, b) in enumerate(zip(mine, theirs)) if a != b), min(len(mine), len(theirs)))
        same = mine == theirs
        check(same, f"{name}: tokens differ at {at}: ours {mine[at - 2:at + 6]}, llama.cpp {theirs[at - 2:at + 6]}")
        print(f"{name}, add special {add_special}, parse special {parse_special}: {len(mine)} tokens, "
              f"{'equal' if same else 'DIFFERENT'}")


ours, llama = Ours(MODEL), Llama(MODEL)
bundled = (Path(__file__).parent / "text.txt").read_bytes().decode()  # not read_text, which would change line ends
compare("text.txt", bundled, ours, llama)
for i, line in enumerate(bundled.splitlines(keepends=True)):  # alone too: what a text begins and ends with matters
    check(ours.tokenize(line, PARSE_SPECIAL) == llama.tokenize(line, False, True), f"text.txt, line {i + 1} alone: tokens differ")
wikitext = shared("data/text/wikitext-2-valid.txt")
if wikitext:
    compare(wikitext.name, wikitext.read_bytes().decode(), ours, llama)
finish()
