"""The codecs against what upstream and bitsandbytes compute (tests/golden), and against the C++ library, bit for bit."""
from __future__ import annotations

import time

import numpy as np
import pytest
from support import Library, golden
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from qlora_gguf import DType, quants
from qlora_gguf.errors import EncodeError
from qlora_gguf.quants.maps import DYNAMIC_MAP, FP4_THRESHOLDS, NF4_THRESHOLDS, dynamic_codes

WRITTEN = ["f16", "bf16", "q8_0", "q4_0", "q4_1"]  # as upstream's package writes them
FITTED = ["q3_K", "q4_K", "q5_K", "q6_K", "iq4_nl", "mxfp4"]  # by our own encoders
READ = ["q5_0", "q5_1", "q2_K", "iq4_xs", "iq3_s", "iq3_xxs", "iq2_s", "iq2_xs", "iq2_xxs", "iq1_m", "iq1_s", "tq1_0", "tq2_0",
        "nvfp4", "q1_0", "q2_0"]
FOUR_BIT = ["nf4", "nf4_dq", "fp4"]
IN_LIBRARY = ["f32", *WRITTEN, *FITTED, *FOUR_BIT]


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and a.size == b.size and a.tobytes() == b.tobytes()


@pytest.mark.parametrize("dtype", WRITTEN)
def test_equals_upstream(dtype):
    g = golden("quants")
    assert same_bits(quants.encode(g["w"], dtype), g[f"{dtype}.bytes"])
    assert same_bits(quants.decode(g[f"{dtype}.bytes"], dtype, g["w"].size), g[f"{dtype}.f32"])


@pytest.mark.parametrize("dtype", READ + FITTED)
def test_decodes_blocks_of_upstream(dtype):
    g = golden("quants")
    assert same_bits(quants.decode(g[f"{dtype}.bytes"], dtype, g[f"{dtype}.f32"].size), g[f"{dtype}.f32"])


@pytest.mark.parametrize("dtype", READ)
def test_what_is_only_read_is_not_written(dtype):
    assert not quants.can_encode(dtype)
    with pytest.raises(ValueError, match="not written here"):
        quants.encode(np.zeros(256, np.float32), dtype)


def test_16_bit_floats_round_as_upstream_at_every_border():
    g = golden("quants")
    x = g["special"].view(np.float32)
    assert np.array_equal(quants.encode(x, "f16").view(np.uint16), g["special.f16"])
    assert np.array_equal(quants.encode(x, "bf16").view(np.uint16), g["special.bf16"])


def repacked(codes: np.ndarray) -> np.ndarray:
    """bitsandbytes' packing (neighbours, the even one high) to ours (half a block apart, the first low)."""
    code = np.stack([codes >> 4, codes & 15], axis=1).reshape(-1, 64)
    return (code[:, :32] | code[:, 32:] << 4).reshape(-1)


@pytest.mark.parametrize("dtype", FOUR_BIT)
def test_equals_bitsandbytes(dtype):
    g = golden("four_bit")
    data, n = quants.encode(g["w"], dtype), g["w"].size
    assert np.array_equal(data[:n // 2], repacked(g[f"{dtype}.codes"]))
    if dtype != "nf4_dq":
        assert same_bits(quants.block_scales(data, DType.of(dtype), n), g[f"{dtype}.absmax"])
    assert same_bits(quants.decode(data, dtype, g["w"].shape), g[f"{dtype}.dequant"])


def test_second_level_equals_bitsandbytes():
    g, d = golden("four_bit"), golden("dynamic_codes")
    assert same_bits(DYNAMIC_MAP, g["dynamic_map_signed"])
    assert np.array_equal(dynamic_codes(d["signed.x"]), d["signed.codes"])
    data = quants.encode(g["w"], "nf4_dq")
    at = g["w"].size // 2
    assert np.array_equal(data[at:at + 384], g["nf4_dq.absmax"])
    assert same_bits(data[at + 384:at + 392].view(np.float32), g["nf4_dq.absmax2"])
    assert same_bits(data[-4:].view(np.float32), g["nf4_dq.offset"])


def test_every_type_of_the_library_is_here(library: Library):
    found = library.dtypes()
    assert len(found) >= 29
    for name, number, block_length, written in found:
        kind = DType.of(name)
        assert (kind, kind.label, kind.block_length) == (number, name, block_length)
        assert quants.can_decode(kind) and (quants.can_encode(kind) or not written)
        for blocks in (1, 3, 255, 256, 257, 100_000):
            n = blocks * block_length
            assert kind.n_bytes(n) == library.n_bytes(number, n)


def odd_weights() -> np.ndarray:
    """Zeros of both signs, subnormals, ties, equal and opposite largest values, blocks without spread."""
    tiny = np.float32(1e-45)
    rng = np.random.default_rng(3)
    rows = [np.zeros(256), -np.zeros(256), np.where(rng.random(256) < 0.5, 0.0, -0.0), np.full(256, 1.25), np.full(256, -3),
            np.where(np.arange(256) % 2, 2.0, -2.0), np.arange(256) * tiny, rng.standard_normal(256) * 1e-39,
            rng.standard_normal(256) * 1e-42, rng.standard_normal(256) * 1e-7, rng.integers(-15, 16, 256) / 2,
            np.full(256, 65503 * 8), np.linspace(-1, 1, 256), np.exp(rng.standard_normal(256) * 3), np.full(256, 1e-38),
            np.resize([1, *NF4_THRESHOLDS], 256)]
    rows[9][::64] = 0
    return np.array(rows, dtype=np.float32)


@pytest.mark.parametrize("dtype", IN_LIBRARY)
def test_odd_values_give_the_bits_of_the_library(library: Library, dtype):
    kind = DType.of(dtype)
    for row in [*odd_weights(), odd_weights(), *np.array_split(odd_weights().reshape(-1)[:768], 3),
                np.random.default_rng(8).standard_normal((37, 1024)).astype(np.float32)]:
        try:
            expected = library.encode(row, kind)
        except ValueError as refusal:
            with pytest.raises(EncodeError) as e:
                quants.encode(row, kind)
            assert str(e.value) in str(refusal)
            continue
        assert same_bits(quants.encode(row, kind), expected), row[:4]
        assert same_bits(quants.decode(expected, kind, row.size), library.decode(expected, kind, row.size))


def test_a_value_on_a_threshold_takes_the_lower_code():
    x = np.zeros(64, dtype=np.float32)
    x[0], x[1:16], x[16:31] = 1, NF4_THRESHOLDS, np.nextafter(NF4_THRESHOLDS, np.float32(2))
    assert (quants.encode(x, "nf4")[:31] & 15).tolist() == [15, *range(15), *range(1, 16)]
    x = np.zeros(64, dtype=np.float32)
    x[0], x[1:8], x[8:15] = 1, FP4_THRESHOLDS, -np.nextafter(FP4_THRESHOLDS, np.float32(2))
    codes = (quants.encode(x, "fp4")[:15] & 15).tolist()
    assert codes == [3, 8, 1, 6, 7, 4, 5, 2, *(8 + c for c in (1, 6, 7, 4, 5, 2, 3))]


FLOATS = st.one_of(st.floats(width=32, allow_nan=False, allow_infinity=False), st.floats(-4, 4, width=32),
                   st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, 2.0**-149, -2.0**-149, 2.0**-126]))


@pytest.mark.parametrize("dtype", IN_LIBRARY)
@given(x=arrays(np.float32, st.sampled_from([64, 128, 192, 256]), elements=FLOATS))
def test_any_values_give_the_bits_of_the_library(library: Library, dtype, x):
    kind = DType.of(dtype)
    x = np.resize(x, max(x.size, kind.block_length))
    try:
        expected = library.encode(x, kind)
    except ValueError:
        with pytest.raises(EncodeError):
            quants.encode(x, kind)
        return
    assert same_bits(quants.encode(x, kind), expected)


def all_blocks(dtype: DType, n: int) -> np.ndarray:
    """Random bytes, so that every code and odd scale occurs: f16 and f32 scales that are NaN or infinite, too."""
    return np.random.default_rng(int(dtype) % 1000).integers(0, 256, dtype.n_bytes(n), dtype=np.uint8)


@pytest.mark.parametrize("dtype", IN_LIBRARY + READ)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_any_bytes_decode_as_in_the_library(library: Library, dtype):
    kind, n = DType.of(dtype), 256 * 300  # more than one group of nf4_dq, the last short
    data = all_blocks(kind, n)
    ours, theirs = quants.decode(data, kind, n), library.decode(data, kind, n)
    nan = np.isnan(ours)  # which NaN it is depends on the machine's instructions
    assert np.array_equal(nan, np.isnan(theirs))
    assert same_bits(ours[~nan], theirs[~nan])


@pytest.mark.parametrize("dtype", IN_LIBRARY + READ + ["i8", "i16", "i32"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_range_is_a_part_of_the_whole(dtype):
    kind, n = DType.of(dtype), 256 * 130
    data = all_blocks(kind, n)
    whole = quants.decode(data, kind, n)
    for first, count in [(0, 256), (256 * 7, 256 * 66), (256 * 129, 256), (0, 0), (n, 0)]:
        part = quants.decode_range(data, kind, n, first, count)
        assert same_bits(part, whole[first:first + count])
    with pytest.raises(ValueError, match="no whole blocks"):
        quants.decode_range(data, kind, n, 0, n + 256)


@pytest.mark.parametrize("dtype", ["q8_0", "q4_0", "q4_1", *FITTED, *FOUR_BIT])
@pytest.mark.parametrize("value, word", [(np.nan, "NaN"), (np.inf, "infinite"), (-np.inf, "infinite")])
def test_what_is_no_number_is_refused_by_its_place(dtype, value, word):
    x = np.ones((3, 256), dtype=np.float32)
    x[2, 5] = value
    with pytest.raises(EncodeError, match=f"element 517 is {word}, which {dtype} cannot hold"):
        quants.encode(x, dtype)


@pytest.mark.parametrize("dtype", ["q8_0", "q4_0", "q4_1", *(t for t in FITTED if t != "mxfp4")])
def test_what_the_16_bit_scale_cannot_reach_is_refused(dtype):
    x = np.ones(1024, dtype=np.float32)
    x[526] = 3e38
    last = 511 + DType.of(dtype).block_length
    with pytest.raises(EncodeError, match=f"elements 512 to {last} reach 3e\\+38, too large for the 16-bit scale"):
        quants.encode(x, dtype)


def test_arguments_of_wrong_types_and_sizes_are_refused():
    x = np.zeros((2, 64), dtype=np.float32)
    data = quants.encode(x, "nf4")
    for wrong in [x.astype(np.float64), x.astype(np.int32), x.astype(complex), x.astype(object), x.tolist(), "x", None]:
        with pytest.raises(TypeError, match="float32 or float16"):
            quants.encode(wrong, "nf4")
    for wrong in [np.zeros(63, np.float32), np.zeros((2, 32), np.float32), np.zeros((2, 0), np.float32), np.float32(3)[...]]:
        with pytest.raises((ValueError, TypeError)):
            quants.encode(wrong, "nf4")
    with pytest.raises(ValueError, match="unknown type 'nf5'"):
        quants.encode(x, "nf5")
    with pytest.raises(TypeError):
        quants.encode(x, 3.5)
    with pytest.raises(TypeError, match="uint8"):
        quants.decode(data.astype(np.int16), "nf4", 128)
    for shape in [64, (3, 64), 0, -64, (2, -64)]:
        with pytest.raises(ValueError):
            quants.decode(data, "nf4", shape)
    with pytest.raises(ValueError, match="not decoded here"):
        quants.decode(data, "q8_1", 128)
    for out in [np.empty(128, np.float64), [0.0] * 128]:
        with pytest.raises(TypeError):
            quants.decode(data, "nf4", 128, out)
    for out in [np.empty(64, np.float32), np.empty(256, np.float32)[::2]]:
        with pytest.raises(ValueError, match="contiguous"):
            quants.decode(data, "nf4", 128, out)


@pytest.mark.parametrize("dtype", ["f32", *WRITTEN, *FITTED, *FOUR_BIT])
def test_the_order_in_memory_does_not_matter(dtype):
    x = np.random.default_rng(1).standard_normal((256, 128)).astype(np.float32)
    expected = quants.encode(np.ascontiguousarray(x.T), dtype)
    assert same_bits(quants.encode(x.T, dtype), expected)
    assert same_bits(quants.encode(np.repeat(x.T, 2, axis=0)[::2], dtype), expected)
    spread = np.zeros(expected.size * 2, dtype=np.uint8)
    spread[::2] = expected
    assert same_bits(quants.decode(spread[::2], dtype, x.size), quants.decode(expected, dtype, x.size))


def test_nf4_is_decoded_at_200_million_weights_a_second():
    n = 1 << 22
    data = quants.encode(np.random.default_rng(2).standard_normal(n).astype(np.float32), "nf4")
    out, best = np.empty(n, dtype=np.float32), np.inf
    for _ in range(20):  # the best of many short runs, in time of this thread: a busy machine interrupts some
        start = time.thread_time()
        quants.decode(data, "nf4", n, out)
        best = min(best, time.thread_time() - start)
    assert n / best > 200e6, f"{n / best / 1e6:.0f} M weights/s"
