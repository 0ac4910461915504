"""Adapters made at random: every kind, ranks, scales, norms. They go round unchanged; damaged, they are read or refused."""
from __future__ import annotations

import struct

import numpy as np
import pytest
from adapter_files import LLAMA
from hypothesis import given
from hypothesis import strategies as st
from qlora_gguf import GgufError, adapters, llama
from qlora_gguf.adapters.lora import fixed_a

BASE = adapters.Base.open(LLAMA)
NORMS = [f"blk.{i}.{norm}.weight" for i in range(3) for norm in ("attn_norm", "ffn_norm")] + ["output_norm.weight"]
SCALES = st.floats(-8, 8, width=32).filter(lambda v: v == 0 or abs(v) > 1e-3)


@st.composite
def any_adapter(draw) -> adapters.Adapter:
    kind = draw(st.sampled_from(["lora", "dora", "miss"]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    made = adapters.Adapter("llama", draw(st.text(max_size=5)), "some base", kind=kind)
    one_rank = draw(st.integers(1, 32))
    for weight in sorted(draw(st.sets(st.sampled_from(list(BASE.shapes)), min_size=1, max_size=5)), key=list(BASE.shapes).index):
        rows, columns = BASE.shapes[weight]
        r = one_rank if kind == "miss" else draw(st.integers(1, max(rows, columns)))
        a = fixed_a(weight, r, columns) if kind == "miss" else rng.standard_normal((r, columns)).astype(np.float32)
        magnitude = np.abs(rng.standard_normal(rows)).astype(np.float32) if kind == "dora" else None
        scale = 1.0 if kind == "miss" else draw(SCALES)
        made.matrices.append(adapters.LoraMatrix(weight, a, rng.standard_normal((rows, r)).astype(np.float32), scale, magnitude))
    for weight in draw(st.lists(st.sampled_from(NORMS), unique=True, max_size=3)):
        made.norms[weight] = rng.standard_normal(64).astype(np.float32)
    if kind != "miss" and draw(st.booleans()):
        ids = np.array(sorted(draw(st.sets(st.integers(0, 159), min_size=1, max_size=4))), np.int32)
        made.rows.append(adapters.TokenRows("token_embd.weight", ids, rng.standard_normal((len(ids), 64)).astype(np.float32)))
    if kind == "lora" and not made.norms and not made.rows:
        made.invocation = draw(st.lists(st.integers(0, 159), max_size=3))
    return made


def change(m: adapters.LoraMatrix) -> np.ndarray:
    return m.scale * m.b.astype(np.float64) @ m.a


@given(adapter=any_adapter())
def test_from_gguf_to_peft_and_back_is_the_same_file(tmp_path, adapter):
    adapters.write_gguf(adapter, tmp_path / "a.gguf", BASE)
    read = adapters.read_gguf(tmp_path / "a.gguf", BASE)
    assert (read.kind, list(read.norms), read.invocation) == (adapter.kind, list(adapter.norms), adapter.invocation)
    for ours, theirs in zip(read.rows, adapter.rows, strict=True):
        assert np.array_equal(ours.ids, theirs.ids) and np.array_equal(ours.values, theirs.values)
    for ours, theirs in zip(read.matrices, adapter.matrices):
        assert np.abs(change(ours) - change(theirs)).max() <= 1e-6 * np.abs(change(theirs)).max()
        assert theirs.magnitude is None or np.array_equal(ours.magnitude, theirs.magnitude)
    folder = tmp_path / "peft"
    adapters.write_peft(read, BASE, folder)
    adapters.write_gguf(adapters.read_peft(folder, BASE), tmp_path / "b.gguf", BASE)
    assert (tmp_path / "b.gguf").read_bytes() == (tmp_path / "a.gguf").read_bytes()
    for file in folder.iterdir():
        file.unlink()


@given(adapter=any_adapter())
def test_rows_of_q_and_k_alone_change_order_on_the_way(tmp_path, adapter):
    adapters.write_peft(adapter, BASE, tmp_path / "peft")
    again = adapters.read_peft(tmp_path / "peft", BASE)
    for ours, theirs in zip(again.matrices, adapter.matrices):
        assert np.array_equal(ours.b, theirs.b) and np.array_equal(ours.a, theirs.a)
        if llama.is_permuted(ours.weight):
            assert not np.array_equal(llama.rows_to_hf(ours.b, BASE.head_dim), ours.b)
    for file in (tmp_path / "peft").iterdir():
        file.unlink()


@pytest.mark.parametrize("kind", ["lora", "dora", "miss"])
@given(changes=st.lists(st.tuples(st.integers(0, 900), st.integers(1, 255)), min_size=1, max_size=4),
       numbers=st.lists(st.tuples(st.integers(0, 900), st.sampled_from([0, 1, 2**31 - 1, 2**63 - 1, 2**64 - 1])), max_size=1))
def test_a_damaged_adapter_is_read_or_refused(tmp_path, kind, changes, numbers):
    good = tmp_path / "good.gguf"
    if not good.exists():
        m = adapters.LoraMatrix("blk.0.attn_q.weight", fixed_a("", 3, 64), np.ones((64, 3), np.float32), 1.0,
                                np.ones(64, np.float32) if kind == "dora" else None)
        adapters.write_gguf(adapters.Adapter("llama", kind=kind, matrices=[m], norms={NORMS[0]: np.ones(64, np.float32)}), good, BASE)
    data = bytearray(good.read_bytes())
    for at, bits in changes:
        data[at] ^= bits
    for at, number in numbers:
        data[at:at + 8] = struct.pack("<Q", number)
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(data)
    try:
        read = adapters.read_gguf(bad, BASE)
    except GgufError as e:
        assert str(e).startswith(str(bad)) and "\n" not in str(e)
        return
    adapters.write_gguf(read, tmp_path / "again.gguf", BASE)
