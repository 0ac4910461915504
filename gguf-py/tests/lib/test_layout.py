"""The C headers and the package's tables say the same."""
from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PACKAGE

import qlora_gguf.lib as ql
from qlora_gguf.lib import _functions, _structs
from qlora_gguf.lib._library import capi

SOURCE = PACKAGE.parent
STRUCTS = {n: s for n, s in vars(_structs).items() if n.startswith("ql_")}


def test_tables_are_what_the_headers_give():
    done = subprocess.run([sys.executable, PACKAGE / "make_capi.py", "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def compiled(code: str, folder: Path) -> list[str]:
    (folder / "layout.c").write_text(code)
    command = [os.environ.get("CC", "cc"), "-std=c99", "-Wall", "-Werror", *(f"-I{SOURCE / p}" for p in ("ggml/include", "models/include")),
               str(folder / "layout.c"), "-o", str(folder / "layout")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return subprocess.run([folder / "layout"], capture_output=True, text=True, check=True).stdout.splitlines()


def c_program(prints: list[str]) -> str:
    return "\n".join(["#include <stddef.h>", "#include <stdio.h>", '#include "ql/ql.h"', '#include "ql/models.h"', "int main(void) {",
                      *prints, "return 0;", "}"])


def test_sizes_and_offsets_are_the_compilers(tmp_path):
    prints, ours = [], []
    for name, struct in STRUCTS.items():
        prints.append(f'printf("{name} %d\\n", (int)sizeof({name}));')
        ours.append(f"{name} {ctypes.sizeof(struct)}")
        for field, _ in struct._fields_:
            prints.append(f'printf("{name}.{field} %d %d\\n", (int)offsetof({name}, {field}), (int)sizeof((({name} *)0)->{field}));')
            ours.append(f"{name}.{field} {getattr(struct, field).offset} {getattr(struct, field).size}")
    assert len(STRUCTS) > 25
    assert compiled(c_program(prints), tmp_path) == ours


def test_numbers_of_enumerators_are_the_compilers(tmp_path):
    numbers = {n: v for values in _structs.ENUMS.values() for n, v in values.items()}
    prints = [f'printf("{n} %lld\\n", (long long){n});' for n in numbers]
    assert compiled(c_program(prints), tmp_path) == [f"{n} {v}" for n, v in numbers.items()]


def test_every_status_has_a_class_of_its_own():
    statuses = set(_structs.ENUMS["ql_status"].values()) - {0}
    from qlora_gguf.lib.errors import BY_STATUS
    assert set(BY_STATUS) == statuses and len(set(BY_STATUS.values())) == len(statuses)


@pytest.mark.parametrize("name", _functions.FUNCTIONS)
def test_the_library_has_the_function(name):
    assert getattr(capi, name).argtypes == _functions.FUNCTIONS[name][1]


def test_the_library_is_of_the_headers_version():
    assert ql.library_version() == _structs.VERSION
