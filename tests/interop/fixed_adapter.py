"""An adapter that every machine makes the same, so that figures made elsewhere hold for it: each value is a 16-bit hash
of its place times a power of two. Nothing is rounded on the way, so no processor can make it another one. What is
trained, in contrast, differs in its last bits by instruction set."""
import gguf
import numpy as np

LINEARS = ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"]
R, ALPHA = 8, 20         # a scale of 2.5: neither it nor its square is 1, so one that is left out or doubled is seen
A_BITS, B_BITS = 19, 19  # values in [-1/16, 1/16): the change is about a sixth of what the linears themselves give


def _hash(x):
    """Two rounds of multiply and shift over 32-bit numbers, wrapping round."""
    for _ in range(2):
        x = (x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D)
        x = (x ^ (x >> np.uint32(15))) * np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))


def _matrix(stream, rows, columns, bits):
    places = np.arange(rows * columns, dtype=np.uint32) + np.uint32((stream * 0x9E3779B1) & 0xFFFFFFFF)
    values = (_hash(places) >> np.uint32(16)).astype(np.int32) - 32768
    return np.ldexp(values.astype(np.float32), -bits).reshape(rows, columns)


def matrices(i, n_in, n_out):
    """The i-th pair: A [r, in], B [out, r]."""
    return _matrix(2 * i, R, n_in, A_BITS), _matrix(2 * i + 1, n_out, R, B_BITS)


def halves(base):
    """(name of the base's tensor, A [r, in], B [out, r]) of every linear of a GGUF file."""
    for i, tensor in enumerate(gguf.GGUFReader(base).tensors):
        if tensor.name.split(".")[-2] in LINEARS:
            yield tensor.name, *matrices(i, *(int(n) for n in tensor.shape))


def write(path, base):
    write_pairs(path, halves(base))


def write_pairs(path, pairs):
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", ALPHA)
    for name, a, b in pairs:
        writer.add_tensor(name + ".lora_a", a)
        writer.add_tensor(name + ".lora_b", b)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
