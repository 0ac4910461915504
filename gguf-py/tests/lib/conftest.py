"""What these tests work on: a tiny model of random weights, and chats that it learns in a second. ctest sets QL_TEST_BIN
(built programs), QL_LIBRARY (the built library), CC, and QL_TEST_MODEL (SmolLM2-135M-Instruct, Q4_1)."""
from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import types
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PACKAGE))  # the source tree, not an installed package
os.environ.setdefault("QL_THREADS", "1")

import qlora_gguf.lib as ql  # noqa: E402


def from_environment(variable: str) -> Path:
    value = os.environ.get(variable)
    if not value:
        pytest.skip(f"${variable} is not set")
    return Path(value)


@pytest.fixture(scope="session")
def programs() -> Path:
    return from_environment("QL_TEST_BIN")


@pytest.fixture(scope="session")
def tiny(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> types.SimpleNamespace:
    """Paths of the model and of the chats."""
    folder = tmp_path_factory.mktemp("tiny")
    files = types.SimpleNamespace(model=folder / "model.gguf", chats=folder / "chats.jsonl")
    subprocess.run([programs / "ql_write_tiny_model", files.model, files.chats], check=True)
    return files


@pytest.fixture
def model(tiny: types.SimpleNamespace):
    with ql.Model(tiny.model) as opened:
        yield opened


@pytest.fixture
def data(model: ql.Model, tiny: types.SimpleNamespace):
    return ql.Dataset(model, tiny.chats, ctx=128)


@pytest.fixture(scope="session")
def trained(tiny: types.SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter that has learned the chats."""
    path = tmp_path_factory.mktemp("trained") / "adapter.gguf"
    with ql.Model(tiny.model) as model:
        adapter = ql.Adapter(model, r=8)
        ql.Trainer(model, adapter, ql.Dataset(model, tiny.chats, ctx=128), ctx=128, grad_accum=2, steps=60, lr=5e-3).run()
        adapter.save(path)
    return path


def python(code: str, *arguments: object, **environment: str) -> subprocess.Popen[str]:
    """A Python of its own, for what ends a process or must not be seen by this one."""
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            env={**os.environ, "PYTHONPATH": str(PACKAGE), **environment})


def finished(process: subprocess.Popen[str], expected: int = 0) -> str:
    out, err = process.communicate(timeout=120)
    assert process.returncode == expected, f"exit code {process.returncode}\n{out}\n{err}"
    return out + err
