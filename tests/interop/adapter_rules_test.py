"""The table of `ql-adapter check --for llama.cpp` against llama.cpp itself, for a sample of its rows over two small random
models: an applied branch moves the log-probabilities, an ignored one leaves every one of them, a refused one does not load."""
import json
import subprocess
import sys

import gguf
import numpy as np

from interop import BIN, MODEL, SCRATCH, Llama, check, finish

N_EMBD, N_FF, N_HEAD, N_LAYER, RANK = 64, 128, 2, 2, 4
N_ROPE, N_NOPE, KV_RANK = 16, 16, 32  # of plm: multi-head latent attention
PROMPT = "The capital of France is"

LLAMA_ROWS = {
    "blk.0.attn_q.weight": "applied", "blk.1.attn_k.weight": "applied", "blk.1.ffn_down.weight": "applied",
    "output.weight": "applied", "blk.0.attn_norm.weight": "ignored", "output_norm.weight": "ignored",
    "token_embd.weight": "refused"}
PLM_ROWS = {
    "blk.0.attn_q.weight": "ignored", "blk.1.attn_kv_a_mqa.weight": "ignored", "blk.0.attn_kv_b.weight": "ignored",
    "blk.0.attn_output.weight": "applied", "blk.1.ffn_up.weight": "applied"}


def shapes(arch, n_vocab):
    """Of all tensors, outermost first as NumPy has them."""
    linears = {"attn_output": (N_EMBD, N_EMBD), "ffn_down": (N_EMBD, N_FF), "ffn_up": (N_FF, N_EMBD)}
    norms = {"attn_norm": N_EMBD, "ffn_norm": N_EMBD}
    if arch == "llama":
        linears |= {"attn_q": (N_EMBD, N_EMBD), "attn_k": (N_EMBD, N_EMBD), "attn_v": (N_EMBD, N_EMBD),
                    "ffn_gate": (N_FF, N_EMBD)}
    else:
        linears |= {"attn_q": (N_HEAD * (N_NOPE + N_ROPE), N_EMBD), "attn_kv_a_mqa": (KV_RANK + N_ROPE, N_EMBD),
                    "attn_kv_b": (N_HEAD * (N_NOPE + N_EMBD // N_HEAD), KV_RANK)}
        norms |= {"attn_kv_a_norm": KV_RANK}
    all_shapes = {"token_embd.weight": (n_vocab, N_EMBD), "output_norm.weight": (N_EMBD,)}
    if arch == "llama":
        all_shapes["output.weight"] = (n_vocab, N_EMBD)
    for layer in range(N_LAYER):
        for name, shape in (linears | norms).items():
            all_shapes[f"blk.{layer}.{name}.weight"] = shape if isinstance(shape, tuple) else (shape,)
    return all_shapes


def write_model(path, arch):
    """A random model with SmolLM2's tokenizer; returns its shapes."""
    reader, writer = gguf.GGUFReader(MODEL), gguf.GGUFWriter(path, arch)
    n_vocab = len(reader.fields["tokenizer.ggml.tokens"].data)
    for field in reader.fields.values():
        if field.name.startswith("tokenizer.") and field.name != "tokenizer.chat_template":
            array = field.types[0] == gguf.GGUFValueType.ARRAY
            writer.add_key_value(field.name, field.contents(), field.types[0], field.types[-1] if array else None)
    writer.add_context_length(512)
    writer.add_embedding_length(N_EMBD)
    writer.add_block_count(N_LAYER)
    writer.add_feed_forward_length(N_FF)
    writer.add_head_count(N_HEAD)
    writer.add_head_count_kv(N_HEAD)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(n_vocab)
    writer.add_rope_dimension_count(N_EMBD // N_HEAD if arch == "llama" else N_ROPE)
    if arch == "plm":
        writer.add_key_length(N_NOPE + N_ROPE)
        writer.add_value_length(N_EMBD // N_HEAD)
        writer.add_kv_lora_rank(KV_RANK)
    rng = np.random.default_rng(3)
    found = shapes(arch, n_vocab)
    for name, shape in found.items():
        values = rng.normal(1 if "norm" in name else 0, 0.1, shape)
        writer.add_tensor(name, values.astype(np.float32))
    finish_file(writer)
    return found


def write_adapter(path, arch, name, shape):
    """One pair on a tensor, whatever it is."""
    rng = np.random.default_rng(4)
    n_out, n_in = shape if len(shape) == 2 else (1, shape[0])
    writer = gguf.GGUFWriter(path, arch)
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", RANK)
    writer.add_tensor(name + ".lora_a", rng.normal(0, 0.5, (RANK, n_in)).astype(np.float32))
    writer.add_tensor(name + ".lora_b", rng.normal(0, 0.5, (n_out, RANK)).astype(np.float32))
    finish_file(writer)


def finish_file(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def ask(model, adapter):
    """{token: log-probability} from llama.cpp in a process of its own, which may end at a load; None where it does."""
    done = subprocess.run([sys.executable, __file__, "--ask", str(model), str(adapter or "")], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, timeout=300, check=False)
    lines = [line for line in done.stdout.decode(errors="replace").splitlines() if line.startswith("{")]
    return json.loads(lines[-1]) if done.returncode == 0 and lines else None


def answer(model, adapter):
    print(json.dumps(Llama(model, adapter or None).complete(PROMPT, 1)[1][0]), flush=True)
    finish()


def observed(plain, with_adapter):
    if with_adapter is None:
        return "refused"
    if set(plain) != set(with_adapter):
        return "applied"
    apart = max(abs(value - with_adapter[token]) for token, value in plain.items())
    return "applied" if apart > 1e-3 else "ignored" if apart == 0 else f"moved by {apart}"


def try_rows(arch, rows):
    model, adapter = SCRATCH / f"rules-{arch}.gguf", SCRATCH / "rules-adapter.gguf"
    found = write_model(model, arch)
    plain = ask(model, None)
    check(plain is not None, f"llama.cpp does not open the {arch} model")
    for name, expected in rows.items() if plain else ():
        write_adapter(adapter, arch, name, found[name])
        done = subprocess.run([str(BIN / "ql-adapter"), "check", "--for", "llama.cpp", str(adapter), "--json"],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
        table = json.loads(done.stdout)["llama_cpp"]["matrices"][0]["use"]
        seen = observed(plain, ask(model, adapter))
        print(f"{arch} {name}: table {table}, llama.cpp {seen}", flush=True)
        check(table == expected == seen, f"{arch} {name}: {expected} is wanted, the table says {table}, llama.cpp {seen}")
        check((done.returncode == 2) == (table == "refused"), f"{arch} {name}: exit code {done.returncode}")
    for path in (model, adapter):
        path.unlink()


if len(sys.argv) > 1 and sys.argv[1] == "--ask":
    answer(sys.argv[2], sys.argv[3])
SCRATCH.mkdir(parents=True, exist_ok=True)
try_rows("llama", LLAMA_ROWS)
try_rows("plm", PLM_ROWS)
finish()
