"""The GGUF reader and writer: round trips, what is refused, and files of this project's programs."""
from __future__ import annotations

import os
import struct

import numpy as np
import pytest
from qlora_gguf import DType, GgufError, gguf
from qlora_gguf.files import whole_file
from qlora_gguf.gguf import ValueType

INT_TYPES = [t for t in ValueType if t.is_int]


def small_file(path, dtype="f32"):
    w = gguf.Writer()
    w.set_str("general.architecture", "llama")
    w.add_array("a", np.arange(512, dtype=np.float32).reshape(2, 256) / 100, dtype)
    w.add_array("b", np.ones(3, dtype=np.float32))
    w.write(path)
    return path


def test_every_type_of_value_comes_back(tmp_path):
    w = gguf.Writer()
    for kind in INT_TYPES:
        info = np.iinfo(kind.numpy)
        w.set_int(f"least.{kind.label}", int(info.min), kind)
        w.set_int(f"most.{kind.label}", int(info.max), kind)
        w.set_array(f"array.{kind.label}", np.array([info.min, 1, info.max], dtype=kind.numpy))
    w.set_float("f32", 0.1)
    w.set_float("f64", 0.1, ValueType.F64)
    w.set_bool("yes", True)
    w.set_bool("no", False)
    w.set_str("text", "naïve \udcff\0")  # a byte that is no UTF-8
    w.set_strings("texts", ["", "▁a", "\udc80"])
    w.set_strings("no texts", [])
    w.set_array("bools", np.array([True, False]))
    w.set_array("floats", np.array([[1.5, 2.5], [3.5, 4.5]], dtype=np.float64)[:, 0])
    w.write(tmp_path / "f.gguf")
    with gguf.open(tmp_path / "f.gguf") as f:
        for kind in INT_TYPES:
            info = np.iinfo(kind.numpy)
            assert f.keys.type(f"least.{kind.label}") == kind
            assert f.get_int(f"least.{kind.label}") == info.min and f.get_int(f"most.{kind.label}") == info.max
            array = f.get_array(f"array.{kind.label}")
            assert array.dtype == kind.numpy and array.tolist() == [info.min, 1, info.max]
        assert f.get_float("f32") == np.float32(0.1) and f.get_float("f64") == 0.1
        assert f.get_bool("yes") is True and f.get_bool("no") is False
        assert f.get_str("text") == "naïve \udcff\0"
        assert f.get_strings("texts") == ["", "▁a", "\udc80"] and f.get_strings("no texts") == []
        assert f.get_array("bools").tolist() == [True, False] and f.get_array("floats").tolist() == [1.5, 3.5]
        assert f.version == 3 and f.alignment == 32 and not f.tensors


def test_a_key_of_another_type_is_an_error(tmp_path):
    with gguf.open(small_file(tmp_path / "f.gguf")) as f:
        for get in (f.get_int, f.get_float, f.get_bool, f.get_strings, f.get_array):
            with pytest.raises(GgufError, match="f.gguf: key 'general.architecture' is of type string"):
                get("general.architecture")
        with pytest.raises(GgufError, match="key 'none' is missing"):
            f.get_int("none")
        assert f.get_int("none", 3) == 3
        with pytest.raises(KeyError):
            f.keys["none"]


@pytest.mark.parametrize("dtype", ["f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "nf4", "nf4_dq", "fp4"])
def test_tensors_come_back(tmp_path, dtype):
    path = small_file(tmp_path / "f.gguf", dtype)
    with gguf.open(path) as f:
        a, b = f.tensors["a"], f.tensors["b"]
        assert a.shape == (2, 256) and a.dtype == DType.of(dtype) and a.n_bytes == a.dtype.n_bytes(512)
        assert a.offset % f.alignment == 0 and f.alignment == (64 if a.dtype.planar else 32)
        assert np.abs(a.decode() - np.arange(512).reshape(2, 256) / 100).max() < 0.7
        assert b.array().tolist() == [1, 1, 1] and not b.array().flags.writeable
        out = np.empty((2, 256), dtype=np.float32)
        assert np.shares_memory(a.decode(out), out)
        if dtype not in ("f32", "f16"):
            with pytest.raises(ValueError, match="decode"):
                a.array()
        w = gguf.Writer()
        w.copy_keys(f)
        for name, t in f.tensors.items():
            w.add_raw(name, t.dtype, t.shape, t.raw())
        w.write(tmp_path / "copy.gguf")
    assert (tmp_path / "copy.gguf").read_bytes() == path.read_bytes()


def test_what_was_handed_out_lives_on_after_close(tmp_path):
    f = gguf.open(small_file(tmp_path / "f.gguf"))
    tensor, raw = f.tensors["a"], f.tensors["a"].raw()
    f.close()
    f.close()
    assert raw[4:8].view(np.float32)[0] == np.float32(0.01)
    for use in (tensor.raw, tensor.decode, tensor.array, lambda: f.keys["general.architecture"],
                lambda: f.get_str("general.architecture")):
        with pytest.raises(GgufError, match="was closed"):
            use()


def test_writing_is_whole_or_not_at_all(tmp_path):
    path = small_file(tmp_path / "f.gguf")
    os.chmod(path, 0o640)
    before = path.read_bytes()
    w = gguf.Writer()
    w.add_array("a", np.ones(4, dtype=np.float32))
    w.add_raw("b", "f32", [4], lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        w.write(path)
    w = gguf.Writer()
    w.add_tensor("n", "nf4", [64], lambda: np.full(64, np.nan, dtype=np.float32))
    with pytest.raises(GgufError, match="tensor 'n': element 0 is NaN"):
        w.write(path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["f.gguf"]
    (tmp_path / "link").symlink_to(path)
    w = gguf.Writer()
    w.add_tensor("t", "q8_0", [1, 32], lambda: np.full((1, 32), 127, dtype=np.float32))
    w.write(tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and path.stat().st_mode & 0o777 == 0o640
    with gguf.open(path) as f:
        assert list(f.tensors) == ["t"] and f.tensors["t"].decode().tolist() == [[127.0] * 32]
    for wrong in (tmp_path, tmp_path / "none" / "f.gguf"):
        with pytest.raises((OSError, GgufError)):
            w.write(wrong)


def test_what_a_killed_process_left_is_replaced_but_nobody_elses_file(tmp_path):
    path, temporary = tmp_path / "f.gguf", tmp_path / f"f.gguf.tmp-{os.getpid()}"
    temporary.write_bytes(b"half")
    small_file(path)
    assert os.listdir(tmp_path) == ["f.gguf"]
    with whole_file(path) as file:  # as another thread does
        file.write(b"new")
        with pytest.raises(GgufError, match="f.gguf: is being written already"):
            small_file(path)
    assert path.read_bytes() == b"new"
    (tmp_path / "other").write_bytes(b"precious")
    temporary.symlink_to(tmp_path / "other")
    with pytest.raises(OSError):
        small_file(path)
    assert (tmp_path / "other").read_bytes() == b"precious" and path.read_bytes() == b"new"


def test_the_writer_refuses_what_the_format_has_no_place_for(tmp_path):
    w, ones = gguf.Writer(), np.ones(4, dtype=np.float32)
    refused = [
        (lambda: w.set_int("k", 256, ValueType.U8), "256 does not fit into a u8"),
        (lambda: w.set_int("k", -1), "-1 does not fit into a u32"),
        (lambda: w.set_int("k", 1, ValueType.F32), "f32 is no integer type"),
        (lambda: w.set_float("k", 1e300), "does not fit into a f32"),
        (lambda: w.set_float("k", 10**400), "1000.* does not fit into a f32"),
        (lambda: w.set_str("k", "a\ud800"), r"the text 'a\\ud800': character 1 is no Unicode text"),
        (lambda: w.set_strings("k", ["a", "\ud800"]), "character 0 is no Unicode text"),
        (lambda: w.set_str("\ud800", "x"), "character 0 is no Unicode text"),
        (lambda: w.add_array("\ud800", ones), "character 0 is no Unicode text"),
        (lambda: w.add_array("n", ones, "nf5"), "tensor 'n': unknown type 'nf5'"),
        (lambda: w.add_raw("n", 999, [4], np.zeros(16, np.uint8)), "tensor 'n': 999 is not a valid DType"),
        (lambda: w.add_array("n", ones, "q8_0"), "tensor 'n': "),
        (lambda: w.add_array("n", ones, "q2_K"), "tensor 'n': q2_K can be read, but is not written here"),
        (lambda: w.set_str("", "x"), "1 to 65535"),
        (lambda: w.set_str("k" * 65536, "x"), "1 to 65535"),
        (lambda: w.set_int("general.alignment", 64), "chosen by the writer"),
        (lambda: w.add_array("n" * 64, ones), "has 64 bytes"),
        (lambda: w.add_array("n", np.ones((1, 1, 1, 1, 4), np.float32)), "1 to 4 positive dimensions"),
        (lambda: w.add_raw("n", "f32", [0], np.zeros(0, np.uint8)), "1 to 4 positive dimensions"),
        (lambda: w.add_raw("n", "f32", [2**40, 2**40], np.zeros(0, np.uint8)), "1 to 4 positive dimensions"),
        (lambda: w.add_raw("n", "q8_0", [2, 16], np.zeros(34, np.uint8)), "no multiple of the 32"),
        (lambda: w.add_raw("n", "f32", [4], np.zeros(15, np.uint8)), "15 bytes, its type and shape need 16"),
        (lambda: w.add_tensor("n", "q2_K", [256], lambda: ones), "not written here"),
        (lambda: w.add_array("n", np.array([np.inf] * 32, np.float32), "q8_0"), "tensor 'n': element 0 is infinite"),
    ]
    for call, message in refused:
        with pytest.raises(GgufError, match=message):
            call()
    wrong_types = [lambda: w.set_int("k", 1.5), lambda: w.set_int("k", True), lambda: w.set_str("k", b"x"),
                   lambda: w.set_bool("k", 1), lambda: w.set_float("k", "1"), lambda: w.set_strings("k", ["a", 1]),
                   lambda: w.set_array("k", [1, 2]), lambda: w.set_array("k", np.array([1j])), lambda: w.set_str(3, "x"),
                   lambda: w.set_array("k", np.ones((2, 2))), lambda: w.add_array("n", ones.astype(np.float64)),
                   lambda: w.add_raw("n", "f32", [4], b"x" * 16), lambda: w.add_array(3, ones),
                   lambda: w.add_raw("n", "f32", (2.7, 2), np.zeros(16, np.uint8)), lambda: w.set_strings("k", "abc"),
                   lambda: w.add_raw("n", "f32", ("2", 2), np.zeros(16, np.uint8)), lambda: w.set_strings("k", b""),
                   lambda: w.add_raw("n", "f32", (True, 4), np.zeros(16, np.uint8)), lambda: w.set_int("k", 1, 4),
                   lambda: w.add_tensor("n", "f32", (2.0, 2), lambda: ones), lambda: w.set_float("k", 1, 6),
                   lambda: w.add_array("n", ones, 0.0), lambda: w.add_array("n", ones, True),
                   lambda: w.set_int(None, 1, ValueType.F32)]
    for call in wrong_types:
        with pytest.raises(TypeError):
            call()
    w.add_array("n", ones)
    with pytest.raises(GgufError, match="added already"):
        w.add_array("n", ones)
    w.write(tmp_path / "f.gguf")  # what was refused left nothing
    with gguf.open(tmp_path / "f.gguf") as f:
        assert not f.keys and list(f.tensors) == ["n"]


def test_numpys_integers_are_integers(tmp_path):
    w, ones = gguf.Writer(), np.ones(4, dtype=np.float32)
    w.set_int("k", np.uint8(7))
    w.add_array("a", ones, np.int32(0))
    w.add_raw("b", np.int64(0), (np.int32(2), np.uint64(2)), ones.view(np.uint8))
    w.write(tmp_path / "f.gguf")
    with gguf.open(tmp_path / "f.gguf") as f:
        assert f.keys["k"] == 7 and f.tensors["a"].dtype == f.tensors["b"].dtype == DType.F32 and f.tensors["b"].shape == (2, 2)


# ---- files made by hand, each with one fault

def string(text: bytes) -> bytes:
    return struct.pack("<Q", len(text)) + text


def key(name: bytes = b"k", kind: int = ValueType.U32, value: bytes = struct.pack("<I", 7)) -> bytes:
    return string(name) + struct.pack("<i", kind) + value


def tensor(name: bytes = b"t", dims=(4,), dtype: int = 0, offset: int = 0) -> bytes:
    return string(name) + struct.pack(f"<I{len(dims)}qiQ", len(dims), *dims, dtype, offset)


def whole(keys=(), tensors=(), data: bytes = bytes(32), version: int = 3, n_keys=None, n_tensors=None) -> bytes:
    head = b"GGUF" + struct.pack("<Iqq", version, len(tensors) if n_tensors is None else n_tensors,
                                 len(keys) if n_keys is None else n_keys) + b"".join(keys) + b"".join(tensors)
    return head + bytes(-len(head) % 32) + data


GOOD = whole([key()], [tensor()])
ALIGNMENT = b"general.alignment"
REFUSED = {
    "is empty": b"",
    "must start with 'GGUF'": b"GGML" + GOOD[4:],
    r"magic \(offset 0\)": b"GG",
    "0 is no version": whole(version=0),
    "version 1 cannot": whole(version=1),
    "version 4 cannot": whole(version=4),
    "big-endian": whole(version=3 << 24),
    r"tensor count \(offset 8\): -1 is negative": whole(n_tensors=-1),
    "tensor count .* do not fit": whole(n_tensors=2**62),
    "key count .* do not fit": whole(n_keys=2**62),
    "the file ends: 4 bytes are needed, 2 are left": whole([key()])[:39],
    r"key \(offset 24\): is empty": whole([key(b"")]),
    "contains a NUL": whole([key(b"a\0b")]),
    "'k' is there twice": whole([key(), key()]),
    "at most 65535 are allowed": whole([key(b"k" * 65536)]),
    "a string of 9223372036854775807 bytes": whole([struct.pack("<Q", 2**63 - 1) + bytes(40)]),
    "unknown value type 13": whole([key(kind=13)]),
    "unknown value type -1": whole([key(kind=-1)]),
    "a bool of 2": whole([key(kind=ValueType.BOOL, value=b"\2")]),
    "bool of 7": whole([key(kind=9, value=struct.pack("<iQ", 7, 3) + b"\1\0\7")]),
    "an array of arrays": whole([key(kind=9, value=struct.pack("<iQ", 9, 1) + bytes(20))]),
    "unknown element type 20": whole([key(kind=9, value=struct.pack("<iQ", 20, 1) + bytes(20))]),
    "an array of 1152921504606846976 u64s": whole([key(kind=9, value=struct.pack("<iQ", 10, 2**60))]),
    "an array of 4611686018427387904 strings": whole([key(kind=9, value=struct.pack("<iQ", 8, 2**62))]),
    "a string of 999 bytes": whole([key(kind=9, value=struct.pack("<iQ", 8, 2) + string(b"a") + struct.pack("<Q", 999))]),
    "must be a u32": whole([key(ALIGNMENT, ValueType.U64, bytes(8))]),
    "is 0, must be a power of two": whole([key(ALIGNMENT, value=struct.pack("<I", 0))]),
    "is 24, must be a power of two": whole([key(ALIGNMENT, value=struct.pack("<I", 24))]),
    "is 4, must be a power of two from 8": whole([key(ALIGNMENT, value=struct.pack("<I", 4))]),
    "has 64 bytes, at most 63": whole(tensors=[tensor(b"t" * 64)]),
    "'t' is there twice": whole(tensors=[tensor(), tensor(offset=32)], data=bytes(64)),
    "0 dimensions": whole(tensors=[tensor(dims=()) + bytes(8)]),
    "5 dimensions": whole(tensors=[tensor(dims=(1,) * 5)]),
    "dimension 0 is -4": whole(tensors=[tensor(dims=(-4,))]),
    "dimension 1 is 0": whole(tensors=[tensor(dims=(4, 0))]),
    "product of its dimensions overflows": whole(tensors=[tensor(dims=(2**40, 2**40))]),
    "unknown or removed type, 4": whole(tensors=[tensor(dtype=4)]),
    "unknown or removed type, -1": whole(tensors=[tensor(dtype=-1)]),
    "a type of a newer version": whole(tensors=[tensor(dtype=0x4E460009)]),
    "no multiple of the 32 of a block of q8_0": whole(tensors=[tensor(dims=(16, 2), dtype=8)]),
    "offset 8 is no multiple of the alignment": whole(tensors=[tensor(offset=8)]),
    "offset 32 is out of sequence, must be 0": whole(tensors=[tensor(offset=32)], data=bytes(64)),
    "the file is cut: 32 bytes .* 31 are left": whole(tensors=[tensor()], data=bytes(31)),
    "nf4 data must start at a multiple of 64": whole([key()], [tensor(dims=(64,), dtype=DType.NF4)], data=bytes(96)),
}


@pytest.mark.parametrize("message", REFUSED)
def test_refuses(tmp_path, message):
    path = tmp_path / "bad.gguf"
    path.write_bytes(REFUSED[message])
    with pytest.raises(GgufError, match=message) as e:
        gguf.open(path)
    assert e.value.path == str(path) and str(e.value) == f"{path}: {e.value.what}" and "\n" not in str(e.value)


def test_reads_what_is_made_by_hand_in_both_versions(tmp_path):
    for version in (2, 3):
        (tmp_path / "f.gguf").write_bytes(whole([key()], [tensor()], version=version))
        with gguf.open(tmp_path / "f.gguf") as f:
            assert f.version == version and dict(f.keys) == {"k": 7} and f.tensors["t"].array().tolist() == [0.0] * 4


def test_a_type_that_is_known_by_size_alone_is_listed_but_not_decoded(tmp_path):
    (tmp_path / "f.gguf").write_bytes(whole(tensors=[tensor(dims=(256,), dtype=DType.Q8_K)], data=bytes(320)))
    with gguf.open(tmp_path / "f.gguf") as f:
        assert f.tensors["t"].raw().size == 292
        with pytest.raises(GgufError, match="tensor 't': q8_K is not decoded here"):
            f.tensors["t"].decode()


def test_what_is_no_regular_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", tmp_path, tmp_path / "none"):
        with pytest.raises((OSError, GgufError)):
            gguf.open(path)


def write_part(folder, part, count, name, **wrong):
    w = gguf.Writer()
    w.set_int("split.no", wrong.get("no", part - 1), ValueType.U16)
    w.set_int("split.count", count, ValueType.U16)
    w.add_array(name, np.full(4, part, dtype=np.float32))
    path = folder / wrong.get("file", f"m-{part:05}-of-{count:05}.gguf")
    w.write(path)
    return path


def test_a_model_in_parts_is_opened_by_its_first(tmp_path):
    first, second = write_part(tmp_path, 1, 2, "a"), write_part(tmp_path, 2, 2, "b")
    with gguf.open(first) as f:
        assert {name: t.decode()[0] for name, t in f.tensors.items()} == {"a": 1, "b": 2}
        w = gguf.Writer()
        w.copy_keys(f)
        w.write(tmp_path / "one.gguf")
    with gguf.open(tmp_path / "one.gguf") as f:
        assert not f.keys  # which described the parts
    with pytest.raises(GgufError, match="is part 2 of 2; open the first, .*m-00001-of-00002.gguf"):
        gguf.open(second)
    write_part(tmp_path, 2, 2, "a")
    with pytest.raises(GgufError, match="m-00002-of-00002.gguf: tensor 'a' is in another part too"):
        gguf.open(first)
    write_part(tmp_path, 2, 2, "b", no=5)
    with pytest.raises(GgufError, match="key 'split.no' is 5, by its name the part should have 1"):
        gguf.open(first)
    second.unlink()
    with pytest.raises(GgufError, match="part 2 of 2 of the model is missing"):
        gguf.open(first)
    with pytest.raises(GgufError, match="is one of 2 parts"):
        gguf.open(write_part(tmp_path, 1, 2, "a", file="other.gguf"))
