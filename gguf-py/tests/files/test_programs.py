"""Files of ql-quantize, encoded again and written again, byte for byte."""
from __future__ import annotations

import pytest
from qlora_gguf import gguf, quants


def encoded_again(source, t):
    return quants.encode(source.tensors[t.name].decode(), t.dtype)


@pytest.mark.parametrize("dtype", ["nf4", "q8_0", "q4_0"])
def test_quantized_tensors_are_what_python_makes(program, model, tmp_path, dtype):
    program("ql-quantize", model, tmp_path / "quantized.gguf", dtype)
    with gguf.open(model) as source, gguf.open(tmp_path / "quantized.gguf") as quantized:
        some = [t for t in quantized.tensors.values() if t.dtype.label == dtype and t.name.startswith(("blk.0.", "blk.29."))]
        assert len(some) == 14
        for t in some:
            assert encoded_again(source, t).tobytes() == t.raw().tobytes(), t.name


def test_a_whole_quantized_file_is_what_python_makes(program, model, tmp_path):
    path, ours = tmp_path / "quantized.gguf", tmp_path / "ours.gguf"
    program("ql-quantize", model, path, "nf4_dq")
    with gguf.open(model) as source, gguf.open(path) as quantized:
        w, n = gguf.Writer(), 0
        w.copy_keys(quantized)
        for name, t in quantized.tensors.items():
            if t.dtype.label == "nf4_dq":
                w.add_tensor(name, t.dtype, t.shape, source.tensors[name].decode)
                n += 1
            else:
                w.add_raw(name, t.dtype, t.shape, t.raw())
        w.write(ours)
        assert n == 210
    assert ours.read_bytes() == path.read_bytes()


def test_programs_read_what_python_writes(program, model, tmp_path):
    path = tmp_path / "nf4.gguf"
    with gguf.open(model) as source:
        w = gguf.Writer()
        w.copy_keys(source)
        for name, t in source.tensors.items():
            kind = "nf4" if ".ffn_" in name and name.endswith("weight") and len(t.shape) == 2 else t.dtype
            if kind == "nf4":
                w.add_tensor(name, kind, t.shape, t.decode)
            else:
                w.add_raw(name, t.dtype, t.shape, t.raw())
        w.write(path)
    text = program("ql-chat", "-m", path, "--raw", "-p", "The capital of France is", "-n", "3", "--temp", "0")
    assert "Paris" in text


def test_real_files_are_copied_byte_for_byte(model, tmp_path):
    with gguf.open(model) as source:
        w = gguf.Writer()
        w.copy_keys(source)
        for name, t in source.tensors.items():
            w.add_raw(name, t.dtype, t.shape, t.raw())
        w.write(tmp_path / "copy.gguf")
        assert quants.decode(source.tensors["blk.0.ffn_up.weight"].raw(), "q4_1", (1536, 576)).std() > 0.01
    assert (tmp_path / "copy.gguf").read_bytes() == model.read_bytes()
