#!/usr/bin/env bash
# transformers 5.23.0 (with gguf 0.19.0): a Llama 3.1 model that is loaded from GGUF loses its rope scaling, without a word.
#
# Expected   from_pretrained(..., gguf_file=...) gives the model that the file was converted from: logits as the original's, up to
#            the file's rounding; here the file is F32.
# Behaviour  llama.cpp's converter writes the scaling of rope_type "llama3" as a tensor of factors, rope_freqs.weight, as its own
#            engine multiplies by them. transformers passes over that tensor, and the config that it makes has rope_type "default".
#            A model without scaling comes back with equal logits, one with scaling does not. No error, no warning.
# Seen       plain:  rope_freqs in the file no, rope of the model default, warnings 0, logits equal
#            scaled: rope_freqs in the file yes, rope of the model default, warnings 0, logits differ
#            (by 1.24 of their norm at 256 tokens of a random model with an original context of 64)
# Meaning    Logits and perplexities of Llama 3.1, 3.2 and 3.3 GGUF files are wrong in transformers, the more so the longer the
#            text: do not judge a fine-tune or another engine by them. Pass the original's rope_parameters, or load its safetensors.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
pip() { "$dir/venv/bin/pip" "$@" -q --disable-pip-version-check; }
pip install torch==2.15.0 transformers==5.23.0 accelerate==1.15.0 gguf==0.19.0 sentencepiece==0.2.1 protobuf==4.25.8 scikit-build-core==0.11.6
pip download --no-deps --no-build-isolation --no-binary llama-cpp-python llama-cpp-python==0.3.36 -d "$dir"
tar xzf "$dir"/llama_cpp_python-0.3.36.tar.gz -C "$dir" --wildcards '*/vendor/llama.cpp/*.py'
convert=$dir/llama_cpp_python-0.3.36/vendor/llama.cpp/convert_hf_to_gguf.py
cat >"$dir/models.py" <<'PY'
import sys

import sentencepiece
import torch
from transformers import LlamaConfig, LlamaForCausalLM

folder = sys.argv[1]
with open(f"{folder}/text", "w") as f:
    f.writelines(f"the {i} words of line {i * 7} are here\n" for i in range(200))
scaling = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
           "original_max_position_embeddings": 64}
for name, more in (("plain", {}), ("scaled", {"rope_scaling": scaling})):
    torch.manual_seed(0)
    config = LlamaConfig(hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2,
                         vocab_size=300, max_position_embeddings=512, tie_word_embeddings=False, initializer_range=0.3, **more)
    LlamaForCausalLM(config).save_pretrained(f"{folder}/{name}")
    sentencepiece.SentencePieceTrainer.train(input=f"{folder}/text", model_prefix=f"{folder}/{name}/tokenizer", vocab_size=300,
                                             byte_fallback=True, model_type="bpe", minloglevel=2)
PY
cat >"$dir/compare.py" <<'PY'
import sys

import torch
from gguf import GGUFReader
from transformers import LlamaForCausalLM

folder, name, log = sys.argv[1:]
ids = torch.arange(1, 257).reshape(1, -1)
with torch.no_grad():
    wanted = LlamaForCausalLM.from_pretrained(f"{folder}/{name}", dtype=torch.float32)(ids).logits
    model = LlamaForCausalLM.from_pretrained(folder, gguf_file=f"{name}.gguf", dtype=torch.float32)
    got = model(ids).logits
error = ((got - wanted).norm() / wanted.norm()).item()
in_file = "rope_freqs.weight" in {t.name for t in GGUFReader(f"{folder}/{name}.gguf").tensors}
verdict = "equal" if error < 1e-5 else "differ" if error > 0.5 else f"differ by {error:.3f}"
print(f"{name}: rope_freqs in the file {'yes' if in_file else 'no'}, rope of the model "
      f"{model.config.rope_parameters['rope_type']}, warnings {{}}, logits {verdict}")
print(f"{error:.2f}", file=open(log, "a"))
PY
"$dir/venv/bin/python" "$dir/models.py" "$dir" >"$dir/log" 2>&1 || { cat "$dir/log"; exit 1; }
seen=$(for name in plain scaled; do
    "$dir/venv/bin/python" "$convert" --outtype f32 --outfile "$dir/$name.gguf" "$dir/$name" >"$dir/log" 2>&1 || tail -3 "$dir/log" >&2
    line=$("$dir/venv/bin/python" "$dir/compare.py" "$dir" "$name" "$dir/errors" 2>"$dir/log")
    echo "${line/\{\}/$(grep -ciE 'rope|warn|unused|not used' "$dir/log" || true)}"
done)
echo "$seen"
echo "relative error of the logits: $(xargs <"$dir/errors")"
[ "$seen" = "plain: rope_freqs in the file no, rope of the model default, warnings 0, logits equal
scaled: rope_freqs in the file yes, rope of the model default, warnings 0, logits differ" ] ||
    { echo "changed: another result than the one described above"; exit 1; }
