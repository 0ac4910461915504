"""Makes logprobs.safetensors: log-probabilities and greedy texts that PyTorch computes in f32, with and without
fixed_adapter.py's adapter, after the 20 prompts.

    pip install torch==2.15.0 transformers==5.23.0 gguf==0.19.0 safetensors numpy
    python make_figures.py SmolLM2-135M-Instruct.Q4_1.gguf logprobs.safetensors

An outside oracle: nothing of this project takes part. transformers reads the file, tokenises and renders; the adapter is
merged into the f32 weights. Cases are CASES below; each holds

    <case>.top_ids, .top_logprobs          [20, 50]  the most probable next tokens, the best first
    <case>.text, .text_logprobs            [20, 16]  what is said greedily; -1 behind the token that ended it
    <case>.text_gaps                       [20, 16]  by how much the best token leads the second there
    <case>.without                         [20, 50]  log-probabilities of top_ids without the adapter (cases with one)
    prompts                                [20, n]   tokens, -1 behind the last

and the metadata the largest and the mean distance of PyTorch in bf16 from top_logprobs.
"""
import copy
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

import fixed_adapter
from prompts import all_prompts

CASES = ["f16", "f16+adapter", "q4_1", "q4_1+adapter"]
N_TOP, N_PREDICT = 50, 16
END_IDS = {0, 2}  # <|endoftext|> <|im_end|>
HF_NAMES = {"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
            "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
            "ffn_down": "mlp.down_proj"}


def round_matrices(model):
    """Makes the parameters what the F16 file holds: matrices rounded, norms in f32."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter.copy_(parameter.half().float())
    return model


def merged(model, base):
    model = copy.deepcopy(model)
    head_dim = model.config.hidden_size // model.config.num_attention_heads
    with torch.no_grad():
        for name, a, b in fixed_adapter.halves(base):
            _, layer, linear, _ = name.split(".")
            delta = fixed_adapter.ALPHA / fixed_adapter.R * (torch.from_numpy(b).double() @ torch.from_numpy(a).double())
            if linear in ("attn_q", "attn_k"):  # GGUF's rows 2j + h of a head are Hugging Face's h * d/2 + j
                delta = delta.reshape(-1, head_dim // 2, 2, delta.shape[1]).swapaxes(1, 2).reshape(delta.shape)
            module = model.get_submodule(f"model.layers.{layer}.{HF_NAMES[linear]}")
            module.weight.copy_(module.weight.double() + delta)
    return model


@torch.no_grad()
def next_logprobs(model, tokens, cache=None):
    """Log-probabilities of the token after these, which follow those in the cache; and the cache with these added."""
    answer = model(torch.tensor([tokens]), past_key_values=cache, use_cache=True, logits_to_keep=1)
    return torch.log_softmax(answer.logits[0, -1].double(), -1), answer.past_key_values


def text_after(logprobs, cache, model):
    """(id, its log-probability, its lead over the second) of each token said greedily."""
    said = []
    while True:
        (best, second), ids = torch.topk(logprobs, 2)
        said.append((int(ids[0]), float(best), float(best - second)))
        if len(said) == N_PREDICT or said[-1][0] in END_IDS:
            return said + [(-1, 0.0, 0.0)] * (N_PREDICT - len(said))
        logprobs, cache = next_logprobs(model, [said[-1][0]], cache)


def figures_of(case, model, plain, prompts):
    """The case's arrays, and PyTorch's distances in bf16. `plain` is the model without the adapter, or None."""
    tops, texts, without, distances = [], [], [], []
    rounded = copy.deepcopy(model).to(torch.bfloat16)
    for tokens in prompts:
        logprobs, cache = next_logprobs(model, tokens)
        best, ids = torch.topk(logprobs, N_TOP)
        tops.append((ids.tolist(), best.tolist()))
        texts.append(text_after(logprobs, cache, model))
        distances += (next_logprobs(rounded, tokens)[0][ids] - best).abs().tolist()
        if plain is not None:
            without.append(next_logprobs(plain, tokens)[0][ids].tolist())
    arrays = {"top_ids": np.array([t[0] for t in tops], np.int32), "top_logprobs": np.array([t[1] for t in tops], np.float32)}
    said = np.array(texts)
    arrays |= {"text": said[:, :, 0].astype(np.int32), "text_logprobs": said[:, :, 1].astype(np.float32),
               "text_gaps": said[:, :, 2].astype(np.float32)}
    if without:
        arrays["without"] = np.array(without, np.float32)
        print(f"{case}: the adapter moves log-probabilities by {np.abs(arrays['without'] - arrays['top_logprobs']).mean():.3f}")
    print(f"{case}: bf16 is {max(distances):.4f} off at most, {np.mean(distances):.4f} in the mean; "
          f"the smallest lead of a text's token is {said[:, :, 2][said[:, :, 0] >= 0].min():.4f}", flush=True)
    return {f"{case}.{name}": array for name, array in arrays.items()}, distances


def main(base, out):
    torch.manual_seed(0)
    source = {"pretrained_model_name_or_path": base.parent, "gguf_file": base.name}
    tokenizer = AutoTokenizer.from_pretrained(**source)
    q4_1 = AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32).eval()
    f16 = round_matrices(copy.deepcopy(q4_1))
    render = lambda messages: tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)  # noqa: E731
    prompts = [tokenizer.encode(text, add_special_tokens=False) for text, _ in all_prompts(render)]
    longest = max(map(len, prompts))
    arrays, metadata = {"prompts": np.array([p + [-1] * (longest - len(p)) for p in prompts], np.int32)}, {}
    models = {"f16": f16, "f16+adapter": merged(f16, base), "q4_1": q4_1, "q4_1+adapter": merged(q4_1, base)}
    for case in CASES:
        plain = models[case.split("+")[0]] if "+" in case else None
        found, distances = figures_of(case, models[case], plain, prompts)
        arrays |= found
        metadata |= {f"{case}.bf16_max": f"{max(distances):.5f}", f"{case}.bf16_mean": f"{np.mean(distances):.5f}"}
    for i, text in enumerate(arrays["f16+adapter.text"]):
        print(i, repr(tokenizer.decode(text[text >= 0])), "|", repr(tokenizer.decode(arrays["f16.text"][i][arrays["f16.text"][i] >= 0])))
    save_file(arrays, out, metadata=metadata)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
