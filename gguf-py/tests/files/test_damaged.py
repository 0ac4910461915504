"""Files that were cut or changed at random: they are read, or they are refused; nothing else happens."""
from __future__ import annotations

import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qlora_gguf import GgufError, gguf, quants, safetensors


def gguf_bytes(path) -> bytes:
    w = gguf.Writer()
    w.set_str("general.architecture", "llama")
    w.set_strings("tokens", ["a", "bc", ""])
    w.set_array("scores", np.arange(3, dtype=np.float32))
    w.set_array("flags", np.array([True, False]))
    w.set_int("n", 3)
    w.set_float("f", 1.5)
    for dtype in ("nf4", "nf4_dq", "fp4", "q8_0", "bf16"):
        w.add_array(dtype, np.linspace(-1, 1, 128, dtype=np.float32).reshape(2, 64), dtype)
    w.write(path)
    return path.read_bytes()


def safetensors_bytes(path) -> bytes:
    safetensors.write(path, {"a": np.ones((2, 3), np.float32), "b": np.zeros((0,), np.float32), "c": np.ones((), np.float32)})
    return path.read_bytes()


def use_gguf(path):
    with gguf.open(path) as f:
        for key in f.keys:
            f.keys[key]
        for t in f.tensors.values():
            with np.errstate(all="ignore"):
                t.decode() if quants.can_decode(t.dtype) else t.raw()
            assert t.n_bytes <= path.stat().st_size


def use_safetensors(path):
    with safetensors.SafeTensors(path) as f:
        for t in f.tensors.values():
            assert f.raw(t.name).nbytes == t.size <= path.stat().st_size


FORMATS = {"gguf": (gguf_bytes, use_gguf), "safetensors": (safetensors_bytes, use_safetensors)}
CHANGES = st.lists(st.tuples(st.integers(0, 2**20), st.integers(1, 255)), min_size=1, max_size=4)
NUMBERS = st.sampled_from([0, 1, 0xff, 0x7fffffff, 0x80000000, 2**31 - 1, 2**62, 2**63 - 1, 2**64 - 1])


@pytest.mark.parametrize("name", FORMATS)
@given(changes=CHANGES, numbers=st.lists(st.tuples(st.integers(0, 700), NUMBERS), max_size=2), cut=st.integers(-40, 2000))
def test_damaged_files_are_read_or_refused(tmp_path, name, changes, numbers, cut):
    make, use = FORMATS[name]
    good = tmp_path / "good"
    data = bytearray(good.read_bytes() if good.exists() else make(good))
    for at, bits in changes:
        data[at % min(len(data), 600)] ^= bits
    for at, number in numbers:
        at %= len(data) - 8
        data[at:at + 8] = struct.pack("<Q", number)
    (tmp_path / "bad").write_bytes(data[:cut] if cut < 0 or cut > 1000 else data)
    try:
        use(tmp_path / "bad")
    except GgufError as e:
        assert str(e).startswith(str(tmp_path / "bad")) and "\n" not in str(e)


@pytest.mark.parametrize("name", FORMATS)
def test_files_cut_at_any_byte_are_refused(tmp_path, name):
    make, use = FORMATS[name]
    data = make(tmp_path / "good")
    use(tmp_path / "good")
    for cut in range(len(data) if name == "safetensors" else 700):
        (tmp_path / "bad").write_bytes(data[:cut])
        with pytest.raises(GgufError):
            use(tmp_path / "bad")


@given(data=st.binary(max_size=300))
def test_any_bytes_behind_the_magic_are_read_or_refused(tmp_path, data):
    (tmp_path / "bad").write_bytes(b"GGUF\3\0\0\0" + data)
    try:
        use_gguf(tmp_path / "bad")
    except GgufError:
        pass


def entry(dtype="F32", shape=(1,), offsets=(0, 4)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


REFUSED = {
    "is it a whole safetensors file": struct.pack("<Q", 1 << 40) + b"{}",
    "is no JSON: a key is there twice": b'{"a": 1, "a": 2}',
    "NaN is no JSON": b'{"a": NaN}',
    "is no JSON: maximum recursion|is no JSON": b"[" * 100000,
    "is no JSON object": b"[]",
    "'t': is no object": {"t": 3},
    "type 'F99' is unknown": {"t": entry("F99")},
    "shape is no list of counts": {"t": entry(shape=(-1,))},
    "shape is no list of counts ": {"t": entry(shape=(True,))},
    "not two counts": {"t": entry(offsets=(0, 4, 8))},
    "out of range": {"t": entry(offsets=(0, 400))},
    "needs 8 bytes, data_offsets give 4": {"t": entry(shape=(2,))},
    "needs .* bytes": {"t": entry(shape=(2**62, 2**62))},
    "2 bytes at the end of the file belong to no tensor": {"t": entry("F16", offsets=(0, 2))},
    "4 bytes at the end of the file belong to no tensor": {},
    "2 bytes in front of 't' belong to no tensor": {"t": entry("F16", offsets=(2, 4))},
    "'s' and 't' overlap": {"s": entry(offsets=(0, 4)), "t": entry("F16", offsets=(2, 4))},
}


@pytest.mark.parametrize("message", REFUSED)
def test_safetensors_refuses(tmp_path, message):
    header = REFUSED[message]
    if not isinstance(header, bytes) or not header.startswith(struct.pack("<Q", 1 << 40)):
        text = header if isinstance(header, bytes) else json.dumps(header).encode()
        header = struct.pack("<Q", len(text)) + text + bytes(4)
    (tmp_path / "bad").write_bytes(header)
    with pytest.raises(GgufError, match=message.strip()):
        safetensors.SafeTensors(tmp_path / "bad")


def test_safetensors_values(tmp_path):
    x = np.array([[1.5, -2.0], [0.0, 3e38]], dtype=np.float32)
    half, brain = x[:, :1].astype(np.float16), quants.encode(x, "bf16")
    header = {"f": entry("F32", (2, 2), (0, 16)), "h": entry("F16", (2, 1), (16, 20)), "b": entry("BF16", (2, 2), (20, 28)),
              "i": entry("I64", (1,), (28, 36)), "e": entry("BF16", (0, 3), (36, 36)), "__metadata__": {"format": "pt"}}
    text = json.dumps(header).encode()
    data = x.tobytes() + half.tobytes() + brain.tobytes() + struct.pack("<q", -9)
    (tmp_path / "f").write_bytes(struct.pack("<Q", len(text)) + text + data)  # the header's length is odd: unaligned data
    f = safetensors.SafeTensors(tmp_path / "f")
    assert np.array_equal(f.weights("f"), x) and np.array_equal(f.weights("h"), half.astype(np.float32))
    assert np.array_equal(f.weights("b")[0], x[0]) and f.weights("e").shape == (0, 3)
    assert f.raw("i").tolist() == [-9] and f.metadata == {"format": "pt"}
    with pytest.raises(GgufError, match="'i' is I64; weights must be"):
        f.weights("i")
    f.close()
    with pytest.raises(GgufError, match="was closed"):
        f.raw("f")
    with pytest.raises(TypeError):
        safetensors.write(tmp_path / "g", {"x": np.zeros(2)})
