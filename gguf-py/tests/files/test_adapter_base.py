"""Which base an adapter belongs to: the hash is the library's, and another base is refused."""
from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
from adapter_files import LLAMA, write_of_another_base, write_peft
from qlora_gguf import GgufError, adapters, gguf
from support import ROOT

FAULT = (r"the adapter was trained on another base: 'some/llama' \(identity 00000000deadbeef\), this model is 'llama' "
         r"\([0-9a-f]{16}\); --force, or any_base=True in Python, uses it all the same")


@pytest.fixture
def wrong(tmp_path):
    """The same adapter as GGUF and as a directory, each of another base."""
    base, adapter = write_of_another_base(tmp_path)
    return base, adapter, tmp_path / "wrong.gguf", tmp_path / "wrong"


@pytest.mark.parametrize("architecture", ["llama", "llama_bias", "llama3_rope"])
def test_the_hash_is_that_of_the_library(program, tmp_path, architecture):
    """What ql-adapter writes into an adapter of this base."""
    model = ROOT / "tests/golden/arch" / architecture
    program("ql-convert", model, tmp_path / "f32.gguf")
    program("ql-convert", model, tmp_path / "q8_0.gguf", "--type", "q8_0")
    tuned = tmp_path / "tuned.gguf"
    with gguf.open(tmp_path / "f32.gguf") as file:
        w = gguf.Writer()
        w.copy_keys(file)
        for name, t in file.tensors.items():
            w.add_array(name, t.decode() + np.float32(0.01 * (name == "blk.0.attn_q.weight")))
        w.write(tuned)
    program("ql-adapter", "extract", "-m", model, "--tuned", tuned, "--rank", "2", "-o", tmp_path / "a.gguf")
    identity = adapters.read_gguf(tmp_path / "a.gguf").origin["qlora.base.identity"]
    for path in (model, tmp_path / "f32.gguf", tmp_path / "q8_0.gguf"):
        assert adapters.Base.open(path).identity == identity, path


def test_every_norm_and_shape_counts():
    base = adapters.Base.open(LLAMA)

    def identity(weight=base.weight, **shapes):
        return dataclasses.replace(base, weight=weight, all_shapes={**base.all_shapes, **shapes}).identity

    def with_another(changed):
        return lambda name: base.weight(name) + np.float32(name == changed)

    assert identity() == base.identity == identity(with_another("blk.0.attn_q.weight"))
    others = [identity(with_another(norm)) for norm in base.all_shapes if norm.endswith("norm.weight")]
    others += [identity(**{name: (96, 64)}) for name in ("token_embd.weight", "blk.2.ffn_up.weight")]
    assert len({base.identity, *others}) == len(others) + 1 == 10


@pytest.mark.parametrize("scale", [np.float32([0.5]), np.float32([1, 2])])
def test_a_scale_of_the_whole_tensor_is_in_the_values(tmp_path, scale):
    """As nvfp4 has it beside the weight."""
    plain, path = adapters.Base.open(LLAMA), tmp_path / "scaled.gguf"
    w = gguf.Writer()
    for key, value in {"general.architecture": "llama", "general.name": "scaled"}.items():
        w.set_str(key, value)
    for key, value in {"block_count": 3, "embedding_length": 64, "attention.head_count": 4}.items():
        w.set_int(f"llama.{key}", value)
    for name in plain.all_shapes:
        w.add_array(name, plain.weight(name))
    w.add_array("blk.1.ffn_up.scale", scale)
    w.write(path)
    base = adapters.Base.open(path)
    assert np.array_equal(base.weight("blk.0.ffn_up.weight"), plain.weight("blk.0.ffn_up.weight"))
    if len(scale) == 1:
        assert np.array_equal(base.weight("blk.1.ffn_up.weight"), plain.weight("blk.1.ffn_up.weight") * scale[0])
    else:
        with pytest.raises(GgufError, match="the scale of a tensor is one number"):
            base.weight("blk.1.ffn_up.weight")


def test_another_base_is_refused_everywhere(wrong, tmp_path):
    base, adapter, file, folder = wrong
    for call in (lambda: adapters.read_gguf(file, base), lambda: adapters.read_peft(folder, base),
                 lambda: adapters.write_gguf(adapter, tmp_path / "x", base), lambda: adapters.write_peft(adapter, base, tmp_path / "x"),
                 lambda: adapters.write_peft(adapters.read_gguf(file), base, tmp_path / "x")):
        with pytest.raises(GgufError, match=FAULT):
            call()
    assert not (tmp_path / "x").exists()


def test_it_is_said_before_shapes_that_differ(wrong):
    small = dataclasses.replace(wrong[0], shapes={name: (2, 2) for name in wrong[0].shapes})
    for read, path in ((adapters.read_gguf, wrong[2]), (adapters.read_peft, wrong[3])):
        with pytest.raises(GgufError, match="was trained on another base"):
            read(path, small)


def test_its_own_base_in_any_type_passes(wrong, tmp_path):
    base, adapter, _, _ = wrong
    adapter.origin["qlora.base.identity"] = base.identity
    adapters.write_gguf(adapter, tmp_path / "right.gguf", base)
    adapters.write_peft(adapters.read_gguf(tmp_path / "right.gguf", base), base, tmp_path / "right")
    assert adapters.read_peft(tmp_path / "right", base).origin["qlora.base.identity"] == base.identity


def test_any_base_gives_the_bytes_of_force(program, wrong, tmp_path):
    base, _, file, folder = wrong
    program("ql-adapter", "to-peft", "--force", "-m", LLAMA, file, "-o", tmp_path / "theirs")
    program("ql-adapter", "from-peft", "--force", "-m", LLAMA, folder, "-o", tmp_path / "theirs.gguf")
    adapters.write_peft(adapters.read_gguf(file, base, any_base=True), base, tmp_path / "ours", any_base=True)
    adapters.write_gguf(adapters.read_peft(folder, base, any_base=True), tmp_path / "ours.gguf", base, any_base=True)
    for name in (".gguf", "/adapter_model.safetensors", "/adapter_config.json"):
        assert (tmp_path / f"ours{name}").read_bytes() == (tmp_path / f"theirs{name}").read_bytes()


def test_a_base_that_was_taken_all_the_same_stays_in_the_files(wrong, tmp_path):
    base, _, file, folder = wrong
    said = FAULT[:FAULT.index(r"; --force")]
    for read in (adapters.read_gguf(file, base, any_base=True), adapters.read_peft(folder, base, any_base=True)):
        adapters.write_gguf(read, tmp_path / "taken.gguf", base, any_base=True)
        adapters.write_peft(read, base, tmp_path / "taken", any_base=True)
        alone = adapters.read_gguf(tmp_path / "taken.gguf")
        again = adapters.read_peft(tmp_path / "taken", base, any_base=True)
        for adapter in (alone, again):
            assert re.fullmatch(said, str(adapter.origin["qlora.other_base"])), "told once"
    assert "qlora.other_base" not in adapters.read_gguf(file).origin
