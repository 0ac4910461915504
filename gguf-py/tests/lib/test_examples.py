"""What users copy: the README's lines and the notebook, run as they stand."""
from __future__ import annotations

import re
import shutil

import pytest
from conftest import PACKAGE, finished, from_environment, python

SOURCE = PACKAGE.parent


def test_the_readmes_lines_train_and_chat(programs, tiny, tmp_path):
    pytest.importorskip("tqdm")
    section = (SOURCE / "README.md").read_text(encoding="utf-8").split("## From Python\n")[1].split("\n## ")[0]
    code = re.search(r"```python\n(.*?)```", section, re.S)[1]
    assert len(code.splitlines()) <= 22
    shutil.copy(tiny.model, tmp_path / "base-nf4.gguf")
    for part in ("train", "test"):
        shutil.copy(tiny.chats, tmp_path / f"orders-{part}.jsonl")
    out = finished(python(f"import os; os.chdir({str(tmp_path)!r})\n{code}"))
    before, after = re.findall(r"^NLL (\d+\.\d+)$", out, re.M)
    assert float(after) < float(before) and (tmp_path / "orders.gguf").is_file()


def test_the_notebook_runs(tmp_path, monkeypatch):
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("QL_EXAMPLE_MODEL", str(from_environment("QL_TEST_MODEL")))
    monkeypatch.setenv("QL_EXAMPLE_STEPS", "6")
    monkeypatch.setenv("QL_SOURCE", str(SOURCE))
    monkeypatch.setenv("PYTHONPATH", str(PACKAGE))
    monkeypatch.delenv("QL_THREADS")
    for name in ("HOME", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR"):  # nothing is left behind elsewhere
        monkeypatch.setenv(name, str(tmp_path))
    book = nbformat.read(SOURCE / "examples" / "python" / "finetune.ipynb", as_version=4)
    nbclient.NotebookClient(book, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    texts = ["".join(o.get("text", "") or o["data"]["text/plain"] for o in c.outputs if o.output_type != "display_data")
             for c in book.cells if c.cell_type == "code"]
    before, after = map(float, re.search(r"\((\d+\.\d+), (\d+\.\d+)\)", texts[4]).groups())
    assert after < before - 0.5, texts
    assert "TrainSummary(steps=6" in texts[3] and (tmp_path / "orders.gguf").is_file()
