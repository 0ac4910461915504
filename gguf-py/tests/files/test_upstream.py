"""PyPI's `gguf`, both ways, for the types that it knows."""
from __future__ import annotations

import numpy as np
import pytest
from qlora_gguf import DType, gguf, quants

upstream = pytest.importorskip("gguf")
W = np.random.default_rng(5).standard_normal((6, 512)).astype(np.float32)
WRITTEN_BY_BOTH = ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1"]
READ_BY_US = ["Q5_0", "Q5_1", *WRITTEN_BY_BOTH]


def test_the_types_have_the_same_numbers_and_sizes():
    for kind, (length, size) in upstream.GGML_QUANT_SIZES.items():
        ours = DType[kind.name]
        assert (ours, ours.block_length, ours.n_bytes(ours.block_length)) == (kind, length, size)


def test_upstream_reads_ours(tmp_path):
    w = gguf.Writer()
    w.set_str("general.architecture", "llama")
    w.set_int("llama.block_count", 2)
    w.set_float("f", 0.5)
    w.set_bool("b", True)
    w.set_strings("s", ["a", "▁b"])
    w.set_array("n", np.array([1, -2], dtype=np.int32))
    for name in WRITTEN_BY_BOTH:
        w.add_array(f"t.{name}", W, name)
    w.write(tmp_path / "ours.gguf")
    reader = upstream.GGUFReader(tmp_path / "ours.gguf")
    values = {name: f.contents() for name, f in reader.fields.items() if not name.startswith("GGUF.")}
    assert values == {"general.architecture": "llama", "llama.block_count": 2, "f": 0.5, "b": True, "s": ["a", "▁b"],
                      "n": [1, -2]}
    for t in reader.tensors:
        name = t.name.removeprefix("t.")
        assert t.tensor_type.name == name and list(t.shape) == [512, 6]
        expected = upstream.quantize(W, t.tensor_type)
        assert np.ascontiguousarray(t.data).tobytes() == np.ascontiguousarray(expected).tobytes()


def test_we_read_upstreams(tmp_path):
    w = upstream.GGUFWriter(tmp_path / "theirs.gguf", "llama")
    w.add_uint32("u", 3)
    w.add_int64("i", -5)
    w.add_float64("d", 0.25)
    w.add_bool("b", False)
    w.add_array("s", ["x", "yz"])
    w.add_array("n", [1, 2, 3])
    data = {name: upstream.quantize(W, upstream.GGMLQuantizationType[name]) for name in READ_BY_US}
    for name, array in data.items():
        w.add_tensor(name, array, raw_dtype=upstream.GGMLQuantizationType[name])
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    with gguf.open(tmp_path / "theirs.gguf") as f:
        assert f.get_str("general.architecture") == "llama" and f.get_int("u") == 3 and f.get_int("i") == -5
        assert f.get_float("d") == 0.25 and f.get_bool("b") is False and f.get_strings("s") == ["x", "yz"]
        assert f.get_array("n").tolist() == [1, 2, 3]
        for name, array in data.items():
            t = f.tensors[name]
            assert t.shape == W.shape and t.dtype == DType[name]
            expected = upstream.dequantize(array, upstream.GGMLQuantizationType[name]).astype(np.float32)
            assert t.decode().tobytes() == expected.tobytes()


@pytest.mark.parametrize("name", [
    "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS", "IQ3_S", "IQ3_XXS", "IQ2_S", "IQ2_XS", "IQ2_XXS", "IQ1_S",
    "IQ1_M", "TQ1_0", "TQ2_0", "MXFP4", "NVFP4"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_decodes_random_blocks_as_upstream(name):
    kind = upstream.GGMLQuantizationType[name]
    length, size = upstream.GGML_QUANT_SIZES[kind]
    blocks = np.random.default_rng(6).integers(0, 256, (500, size), dtype=np.uint8)
    theirs = upstream.dequantize(blocks, kind).reshape(-1)
    ours = quants.decode(blocks.reshape(-1), name, 500 * length)
    assert np.array_equal(ours, theirs, equal_nan=True)
