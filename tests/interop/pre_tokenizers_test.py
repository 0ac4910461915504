"""Our tokens against llama.cpp's for each pre-tokenizer that a GGUF file may name: one vocabulary, Qwen2's, under every
name, in a model of one layer. What the merges are does not matter: where words are cut does."""
from pathlib import Path

import gguf
import numpy as np
from interop import SCRATCH, Llama, check, finish, shared
from tokens import Ours

PARSE_SPECIAL = 2
NAMES = ["gpt-2", "smollm", "llama-bpe", "dbrx", "glm4", "qwen2", "qwen35", "tekken", "gpt-4o", "deepseek-v3", "refact",
         "chatglm-bpe"]
WIDTH = 32
HARD = ["aBcDE fGHij'LL we'Re I'd 12345 1,234.5", "ÉtéX ÀÉ ßẞ ǅǆ straße", "漢字かなカナ漢X 한국어abc", "é ñ́ हिन्दी ไทย",
        "a/\n/b\r\n\r\n  c\t\td   e", "!foo ?bar (baz) [qux] `x` ~y", "mixed漢字123かなABC", "\u00a0x\u3000y\u2028z"]


def vocabulary():
    path = shared("data/vocab/ggml-vocab-qwen2.gguf")
    return gguf.GGUFReader(path).fields if path else None


def write(path, fields, pre):
    """A model of random weights that has the vocabulary."""
    tokens = fields["tokenizer.ggml.tokens"].contents()
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(1)
    writer.add_context_length(64)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(WIDTH)
    writer.add_head_count(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types(fields["tokenizer.ggml.token_type"].contents())
    writer.add_token_merges(fields["tokenizer.ggml.merges"].contents())
    writer.add_bos_token_id(tokens.index("<|endoftext|>"))
    writer.add_eos_token_id(tokens.index("<|endoftext|>"))
    writer.add_tensor("token_embd.weight", np.zeros((len(tokens), WIDTH), np.float16))
    writer.add_tensor("output_norm.weight", np.ones(WIDTH, np.float32))
    for name in "attn_norm", "ffn_norm":
        writer.add_tensor(f"blk.0.{name}.weight", np.ones(WIDTH, np.float32))
    for name in "attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down":
        writer.add_tensor(f"blk.0.{name}.weight", np.zeros((WIDTH, WIDTH), np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def compare(name, fields, texts):
    path = SCRATCH / "pre-tokenizer.gguf"
    write(path, fields, name)
    ours, llama, different = Ours(path), Llama(path), []
    for text in texts:
        mine, theirs = ours.tokenize(text, PARSE_SPECIAL), llama.tokenize(text, False, True)
        if mine != theirs:
            at = next((i for i, (a, b) in enumerate(zip(mine, theirs)) if a != b), min(len(mine), len(theirs)))
            different.append(f"{text[:40]!r} at {at}: ours {mine[at - 1:at + 4]}, llama.cpp {theirs[at - 1:at + 4]}")
    print(f"{name:<14}{len(texts) - len(different)} of {len(texts)} texts have equal tokens", flush=True)
    check(not different, f"{name}: {'; '.join(different[:3])}")


FIELDS = vocabulary()
if FIELDS is None:
    print("skipped: there is no shared vocabulary")
    raise SystemExit(77)
SCRATCH.mkdir(parents=True, exist_ok=True)
bundled = (Path(__file__).parent / "text.txt").read_bytes().decode()
for pre in NAMES:
    compare(pre, FIELDS, [bundled, *bundled.splitlines(keepends=True), *HARD])
finish()
