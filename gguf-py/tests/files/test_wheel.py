"""The wheel that pip builds of the package works where it is installed, without the source tree."""
from __future__ import annotations

import subprocess
import sys
import zipfile

import pytest
from support import ROOT

# Without a network: pip builds with this environment's setuptools, which must be one that pyproject.toml asks for.
setuptools = pytest.importorskip("setuptools", minversion="77")
pytest.importorskip("pip")


def run(*arguments, **options):
    done = subprocess.run([sys.executable, *map(str, arguments)], capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def test_the_wheel_holds_the_package_and_works(tmp_path):
    source = tmp_path / "source"  # a build leaves files beside the source
    for path in sorted((ROOT / "gguf-py").rglob("*")):
        inside = path.relative_to(ROOT / "gguf-py")
        if path.is_file() and inside.parts[0] not in ("tests", "build") and "__pycache__" not in inside.parts:
            (source / inside).parent.mkdir(parents=True, exist_ok=True)
            (source / inside).write_bytes(path.read_bytes())
    run("-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "-w", tmp_path, source)
    (wheel,) = tmp_path.glob("qlora_gguf-*-none-any.whl")
    names = zipfile.ZipFile(wheel).namelist()
    ours = {str(p.relative_to(ROOT / "gguf-py")) for p in (ROOT / "gguf-py/qlora_gguf").rglob("*.py")}
    assert ours <= set(names) and "qlora_gguf/py.typed" in names
    assert not [n for n in names if n.startswith("tests")]
    metadata = zipfile.ZipFile(wheel).read(next(n for n in names if n.endswith("METADATA"))).decode()
    assert [line for line in metadata.splitlines() if line.startswith("Requires-Dist")][0] == "Requires-Dist: numpy>=1.24"
    run("-m", "pip", "install", "--no-deps", "--no-index", "--disable-pip-version-check", "--target", tmp_path / "site", wheel)
    text = run("-c", "import qlora_gguf.quants as q, numpy as n; print(q.__file__, q.encode(n.ones(64, 'f4'), 'nf4').size)",
               cwd=tmp_path / "site")
    assert text.split() == [str(tmp_path / "site/qlora_gguf/quants/__init__.py"), "68"]
