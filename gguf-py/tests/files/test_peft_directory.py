"""PEFT directories that are written over others: at no time is one half old, half new, and no file of others goes."""
from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest
from adapter_files import LLAMA, trained, write_peft
from qlora_gguf import GgufError, adapters, safetensors

CONFIG, WEIGHTS, TEMPLATE = "adapter_config.json", "adapter_model.safetensors", "chat_template.jinja"


@pytest.fixture
def old_and_new(tmp_path):
    """A directory, with a file that is no adapter's, and an adapter without a template."""
    base = adapters.Base.open(LLAMA)
    old = write_peft(tmp_path / "old")
    (old / TEMPLATE).write_text("the old one")
    (old / "README.md").write_text("somebody's")
    new = adapters.read_peft(write_peft(tmp_path / "source", {n: -t for n, t in trained().items()}, lora_alpha=5), base)
    return base, old, new


def contents(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir() if ".tmp-" not in p.name}


def test_an_old_template_goes_and_other_files_stay(old_and_new):
    base, old, new = old_and_new
    adapters.write_peft(new, base, old)
    assert sorted(contents(old)) == ["README.md", CONFIG, WEIGHTS]
    assert adapters.read_peft(old, base).chat_template == ""
    new.chat_template = "the new one"
    adapters.write_peft(new, base, old)
    assert adapters.read_peft(old, base).chat_template == "the new one"


def test_a_tokenizer_with_a_template_is_no_home_of_an_adapter_without(old_and_new):
    base, old, new = old_and_new
    (old / "tokenizer_config.json").write_text(json.dumps({"chat_template": "the tokenizer's"}))
    before = contents(old)
    with pytest.raises(GgufError, match="tokenizer_config.json is there and has a chat template"):
        adapters.write_peft(new, base, old)
    assert contents(old) == before
    new.chat_template = "its own"
    adapters.write_peft(new, base, old)
    assert adapters.read_peft(old, base).chat_template == "its own"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the process that is killed is a fork")
@pytest.mark.parametrize("template", ["", "the new one"])
def test_a_kill_leaves_the_old_one_or_none_or_the_new_one(old_and_new, tmp_path, template):
    base, old, new = old_and_new
    new.chat_template = template
    adapters.write_peft(new, base, tmp_path / "wanted")
    whole = [contents(old), {**contents(tmp_path / "wanted"), "README.md": b"somebody's"}]
    seen = []
    for left in range(20):  # calls that change the directory until the kill
        folder = shutil.copytree(old, tmp_path / f"killed{left}")
        child = os.fork()
        if child == 0:
            _killed_after(left, lambda: adapters.write_peft(new, base, folder))  # noqa: B023
        if os.waitpid(child, 0)[1] == 0:
            break
        found = contents(folder)
        assert found["README.md"] == b"somebody's"
        assert CONFIG not in found or found in whole, sorted(found)
        seen.append("none" if CONFIG not in found else "old" if found == whole[0] else "new")
    assert contents(folder) == whole[1]
    assert seen == sorted(seen, key=["old", "none", "new"].index) and {"old", "none"} <= set(seen)


def _killed_after(left, call):
    """In a process of its own: ends it in the middle of what `call` does."""
    def counted(function):
        def run(*arguments):
            nonlocal left
            if left == 0:
                os._exit(9)
            left -= 1
            return function(*arguments)
        return run

    try:
        os.replace, os.unlink, os.fsync = counted(os.replace), counted(os.unlink), counted(os.fsync)
        call()
        os._exit(0)
    finally:
        os._exit(1)


def test_a_full_disk_leaves_the_old_one(old_and_new, monkeypatch):
    base, old, new = old_and_new
    before = {p.name: p.read_bytes() for p in old.iterdir()}

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(safetensors, "write_to", full)
    with pytest.raises(OSError, match="No space left"):
        adapters.write_peft(new, base, old)
    assert {p.name: p.read_bytes() for p in old.iterdir()} == before
    there = sorted(old.parent.iterdir())
    for folder in (old.parent / "new", f"{old.parent}/new/", old.parent / "new" / "inner"):
        with pytest.raises(OSError, match="No space left"):
            adapters.write_peft(new, base, folder)
        assert sorted(old.parent.iterdir()) == there, "no folder stays"


def test_a_config_that_is_a_link_is_followed(old_and_new, tmp_path):
    base, old, new = old_and_new
    (old / CONFIG).rename(tmp_path / "elsewhere.json")
    (old / CONFIG).symlink_to(tmp_path / "elsewhere.json")
    adapters.write_peft(new, base, old)
    assert (old / CONFIG).is_symlink() and np.isclose(adapters.read_peft(old, base).matrices[0].scale, 5 / 4)
