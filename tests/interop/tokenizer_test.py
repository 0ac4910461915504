"""Our tokens against llama.cpp's: text.txt (hard cases of many kinds) and, where it is there, wikitext-2's validation text."""
from pathlib import Path

from interop import MODEL, Llama, check, finish, shared
from tokens import Ours

ADD_SPECIAL, PARSE_SPECIAL = 1, 2


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
