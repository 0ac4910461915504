#!/usr/bin/env python3
"""Writes Unicode's decompositions from Python's unicodedata: compose_tables.inl has the canonical ones and the combining classes,
compatible_tables.inl what form KC has more.

    make_compose_tables.py > compose_tables.inl
    make_compose_tables.py compatible > compatible_tables.inl
"""
import sys
import unicodedata
from unicodedata import combining, decomposition, normalize

HANGUL = range(0xAC00, 0xD7A4)  # by arithmetic


def rows(values, per_line):
    for i in range(0, len(values), per_line):
        print("    " + " ".join(values[i:i + per_line]))


def main():
    print(f"// Written by make_compose_tables.py: Unicode {unicodedata.unidata_version}. Do not edit.")
    print("// clang-format off")
    print("// A character, its canonical decomposition by one step (0: a single character), and whether that composes again.")
    print("constexpr Decomposition kDecompositions[] = {")
    found = []
    for code in range(0x110000):
        parts = decomposition(chr(code)) if code not in HANGUL else ""
        if not parts or parts.startswith("<"):
            continue
        first, second = (parts.split() + ["0"])[:2]
        found.append(f"{{0x{code:X}, 0x{first}, 0x{second}, {int(normalize('NFC', chr(code)) == chr(code))}}},")
    rows(found, 4)
    print("};\n")
    print("// First and last character, and their combining class; all others have class 0.")
    print("constexpr CombiningRange kCombining[] = {")
    ranges = []
    for code in range(0x110000):
        value = combining(chr(code))
        if value and ranges and ranges[-1][1] == code - 1 and ranges[-1][2] == value:
            ranges[-1][1] = code
        elif value:
            ranges.append([code, code, value])
    rows([f"{{0x{a:X}, 0x{b:X}, {value}}}," for a, b, value in ranges], 6)
    print("};")


def compatible():
    print(f"// Written by make_compose_tables.py: Unicode {unicodedata.unidata_version}. Do not edit.")
    print("// clang-format off")
    pool, table = [], []
    for code in range(0x110000):
        if code in HANGUL or normalize("NFKD", chr(code)) == normalize("NFD", chr(code)):
            continue
        parts = [f"0x{ord(c):X}," for c in normalize("NFKD", chr(code))]
        table.append(f"{{0x{code:X}, {len(pool)}, {len(parts)}}},")
        pool += parts
    print("// Characters, wholly decomposed, and where their parts are.")
    print("constexpr Compatible kCompatible[] = {")
    rows(table, 6)
    print("};\n")
    print("constexpr uint32_t kCompatibleParts[] = {")
    rows(pool, 16)
    print("};")


compatible() if sys.argv[1:] == ["compatible"] else main()
