"""Which library is found, and what is said where none is."""
from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import PACKAGE, finished, from_environment, python

import qlora_gguf.lib as ql
from qlora_gguf.lib import _structs

OPEN = """
import qlora_gguf.lib as ql
try:
    print(ql.library_path(), ql.library_version())
except ql.LibraryNotFound as e:
    print("refused:", e)
"""


@pytest.fixture(scope="module")
def built() -> Path:
    return Path(ql.library_path()).resolve().parent


def copy_package(folder: Path) -> Path:
    """The package without the source tree around it."""
    shutil.copytree(PACKAGE / "qlora_gguf", folder / "qlora_gguf", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def carry(package: Path, built: Path) -> Path:
    native = package / "qlora_gguf" / "lib" / "native"
    native.mkdir()
    for name in ("libql.so.0", "libql-models.so.0"):
        shutil.copy(built / name, native / name)
    return native / "libql-models.so.0"


SAMPLING = _structs.ql_generate_options.sampling.offset


def compiled(library: Path, code: str) -> Path:
    library.with_suffix(".c").write_text(code or "int nothing;")
    subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-o", library, library.with_suffix(".c")], check=True)
    return library


def stub(folder: Path, version: str, size: int = 8) -> Path:
    """A library that has nothing but a version."""
    return compiled(folder / "libql-models.so", version and f"""
        const char * ql_version(void) {{ return "{version}"; }}
        void ql_generate_options_init(char * o) {{ *(unsigned long *)(o + {SAMPLING}) = {size}; }}""")


def test_a_file_or_folder_that_is_named_is_taken(built):
    for name in (built, built / "libql-models.so"):
        assert finished(python(OPEN, QL_LIBRARY=str(name))).startswith(f"{built}/libql-models.so")


def test_the_source_trees_build_is_found(built):
    if built != PACKAGE.parent / "build" / "release" / "lib":
        pytest.skip("the build is in another folder")
    assert finished(python(OPEN, QL_LIBRARY="")) == f"{built}/libql-models.so.0 {_structs.VERSION}\n"


def test_the_package_may_carry_it(built, tmp_path):
    path = carry(copy_package(tmp_path), built)
    assert finished(python(OPEN, QL_LIBRARY="", PYTHONPATH=str(tmp_path))) == f"{path} {_structs.VERSION}\n"


@pytest.mark.parametrize("with_library", [True, False])
def test_a_wheel_may_carry_it(built, tmp_path, with_library):
    pytest.importorskip("setuptools", minversion="77")
    source, site = tmp_path / "source", tmp_path / "site"
    shutil.copytree(PACKAGE, source, ignore=shutil.ignore_patterns("tests", "build", "*.egg-info", "__pycache__"))
    environment = {**os.environ, "QL_WHEEL_LIBRARY": str(built) if with_library else ""}
    subprocess.run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--disable-pip-version-check",
                    "-w", tmp_path, source], check=True, env=environment)
    wheel = next(tmp_path.glob("*.whl"))
    assert wheel.name == f"qlora_gguf-{ql.library_version()}-py3-none-{'linux_' + os.uname().machine if with_library else 'any'}.whl"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    out = finished(python(OPEN, QL_LIBRARY="", PYTHONPATH=str(site), HOME=str(tmp_path)))
    if with_library:
        assert out == f"{site}/qlora_gguf/lib/native/libql-models.so.0 {_structs.VERSION}\n"
    else:
        assert not (site / "qlora_gguf" / "lib" / "native").exists()


def test_an_installed_one_is_found(built, tmp_path):
    copy_package(tmp_path)
    home = tmp_path / "home"
    (home / ".local" / "lib").mkdir(parents=True)
    for name in ("libql.so.0", "libql-models.so.0"):
        shutil.copy(built / name, home / ".local" / "lib" / name)
    out = finished(python(OPEN, QL_LIBRARY="", PYTHONPATH=str(tmp_path), HOME=str(home)))
    assert out == f"{home}/.local/lib/libql-models.so.0 {_structs.VERSION}\n"


@pytest.mark.parametrize("version, message", [
    ("9.9.0", f"has version 9.9.0, this package is made for {_structs.VERSION}; install both of one version"),
    (_structs.VERSION, "its ql_sampling has 8 bytes, this package's has 56"),
    ("", "is not the library of qlora.cpp: it has no ql_version"),
])
def test_another_library_is_refused(tmp_path, version, message):
    out = finished(python(OPEN, QL_LIBRARY=str(stub(tmp_path, version))))
    assert out.startswith("refused: ") and message in out and out.count("\n") == 1


def test_what_is_missing_is_said(tmp_path):
    copy_package(tmp_path)
    nowhere = {"PYTHONPATH": str(tmp_path), "HOME": str(tmp_path), "LD_LIBRARY_PATH": ""}
    out = finished(python(OPEN, **nowhere, QL_LIBRARY=""))
    if not out.startswith("refused"):
        pytest.skip("a library is installed on this machine")
    assert out == "refused: libql-models.so.0 is not found; build and install qlora.cpp, or set $QL_LIBRARY to the library's path\n"
    out = finished(python(OPEN, **nowhere, QL_LIBRARY="/no/such"))
    assert out == "refused: $QL_LIBRARY: /no/such is neither libql-models.so nor a folder that holds it\n"
    (tmp_path / "text.so").write_text("no library")
    assert "text.so" in finished(python(OPEN, **nowhere, QL_LIBRARY=str(tmp_path / "text.so")))


def test_a_function_that_an_older_library_lacks_is_named(tmp_path):
    library = stub(tmp_path, _structs.VERSION, ctypes.sizeof(_structs.ql_sampling))
    out = finished(python("import qlora_gguf.lib as ql\ntry: ql.backends()\nexcept ql.Unsupported as e: print(e)", QL_LIBRARY=str(library)))
    assert out == f"{library} (version {_structs.VERSION}) has no ql_backend_count: it is older than this package\n"


def test_an_option_that_an_older_library_lacks_is_refused(monkeypatch):
    """Its _init function says how long its struct is."""
    from qlora_gguf.lib import _convert

    class Old:
        def __getattr__(self, name):
            return getattr(real, name)

        @staticmethod
        def ql_train_options_init(pointer):
            real.ql_train_options_init(pointer)
            pointer._obj.size = _structs.ql_train_options.overwrite.offset
    real = _convert.capi
    monkeypatch.setattr(_convert, "capi", Old())
    assert _convert.Options(_structs.ql_train_options, {"lr": 1}, "Trainer").struct.lr == 1
    with pytest.raises(ql.Unsupported, match="Trainer: overwrite: the library .* has no such option"):
        _convert.Options(_structs.ql_train_options, {"overwrite": True}, "Trainer")


def test_backends_beside_the_library_are_found(built, tmp_path):
    apart = next((from_environment("QL_TEST_BIN").parent / "test-backends").glob("libql-backend-apart.so"), None)
    if not apart:
        pytest.skip("libql-backend-apart.so is not built")
    package = copy_package(tmp_path)
    native = carry(package, built).parent
    shutil.copy(apart, native / apart.name)
    out = finished(python("import qlora_gguf.lib as ql\nprint([b.name for b in ql.backends()], ql.Device(name='apart').info.backend)",
                          QL_LIBRARY="", PYTHONPATH=str(tmp_path)))
    assert out == "['apart', 'cpu'] apart\n" or out == "['cpu', 'apart'] apart\n", out
