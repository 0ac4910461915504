#!/usr/bin/env python3
"""What PyPI `tokenizers` makes of texts by normalization form KC: nfkc_cases.json, [[text, normalized], ...].

    make_nfkc_cases.py nfkc_cases.json        with tokenizers 0.23.3

Every character that form KC changes and that Python's Unicode and that of `tokenizers` agree on is in a text of 16; others are
random sequences of such characters and of marks.
"""
import json
import random
import sys
import unicodedata

from tokenizers import normalizers

NFKC = normalizers.NFKC()


def same(text):
    return NFKC.normalize_str(text) == unicodedata.normalize("NFKC", text)


def main():
    changed = [c for c in map(chr, range(0x110000)) if not 0xD800 <= ord(c) < 0xE000 and unicodedata.normalize("NFKC", c) != c and same(c)]
    changed = [c for c in changed if not 0xF900 <= ord(c) < 0xFB00 and not 0x2F800 <= ord(c) < 0x2FA20]  # Han: canonical, many
    texts = ["", "plain text", "\u00a0", "\ufb03", "\uff21\u0301b", "\u1100\u1161\u11a8", "\ufdfa!"]
    texts += ["".join(changed[i:i + 16]) for i in range(0, len(changed), 16)]
    rng = random.Random(1)
    parts = changed + [chr(c) for c in range(0x300, 0x345)] * 8 + list("aeiouAEIOUckn ") * 40
    while len(texts) < len(changed) // 16 + 200:
        text = "".join(rng.choice(parts) for _ in range(rng.randrange(1, 9)))
        if same(text):
            texts.append(text)
    with open(sys.argv[1], "w") as file:
        json.dump([[t, NFKC.normalize_str(t)] for t in texts], file, separators=(",", ":"))
        file.write("\n")


main()
