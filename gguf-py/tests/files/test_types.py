"""The package's annotations hold together, under mypy's strict rules (pyproject.toml)."""
from __future__ import annotations

import subprocess
import sys

import pytest
from support import ROOT

pytest.importorskip("mypy")


def test_mypy_finds_nothing():
    done = subprocess.run([sys.executable, "-m", "mypy", "--no-incremental", "--exclude", "qlora_gguf/lib/", "qlora_gguf"],
                          cwd=ROOT / "gguf-py", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
