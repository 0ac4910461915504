#!/usr/bin/env bash
# llama.cpp (PyPI xllamacpp 2026.10.11549) renders valid chat templates otherwise than Jinja2 3.1.6, without a word.
#
# Expected   A model's chat template is a Jinja2 program; trainers render it with Jinja2, so the server's /apply-template
#            gives the same prompt for the same messages.
# Behaviour  llama.cpp has a Jinja of its own. Names set in a round of a loop are still there in the next one (Jinja2 gives
#            each round a scope of its own). Without tools, `tools` is undefined and not None, so `tools is not none` holds
#            (transformers passes None). `date_string` is defined, so Llama 3.1's own default of it never counts. A system
#            message that a template leaves out is put in front of the user's. split() without an argument cuts at each
#            single space. No error, no warning.
# Seen       loop    jinja2 'P1;2;3;'        llama.cpp 'P1;P2;P3;'
#            tools   jinja2 'no tools'       llama.cpp 'tools'
#            date    jinja2 'the default'    llama.cpp 'another'
#            system  jinja2 'user: Q;'       llama.cpp 'user: S\nQ;'
#            split   jinja2 'a-b'            llama.cpp 'a--b'
# Meaning    A fine-tuned model that is trained on Jinja2's text is served another prompt. Compare the two renderings of
#            your own template before you train on it.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --disable-pip-version-check xllamacpp==2026.10.11549 gguf==0.19.0 numpy==2.4.6 jinja2==3.1.6
cat >"$dir/model.py" <<'PY'
"""A llama model of one layer with a vocabulary of bytes: enough for a server to start."""
import sys

import gguf
import numpy as np

printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
others = [b for b in range(256) if b not in printable]
tokens = [chr(b) if b in printable else chr(256 + others.index(b)) for b in range(256)] + ["ab", "<|end|>"]
w = gguf.GGUFWriter(sys.argv[1], "llama")
w.add_block_count(1)
w.add_context_length(64)
w.add_embedding_length(32)
w.add_feed_forward_length(32)
w.add_head_count(2)
w.add_layer_norm_rms_eps(1e-5)
w.add_tokenizer_model("gpt2")
w.add_tokenizer_pre("gpt-2")
w.add_token_list(tokens)
w.add_token_types([1] * 257 + [3])
w.add_token_merges(["a b"])
w.add_bos_token_id(257)
w.add_eos_token_id(257)
weights = {"token_embd": (len(tokens), 32), "output_norm": (32,), "blk.0.attn_norm": (32,), "blk.0.ffn_norm": (32,)}
weights |= {f"blk.0.{name}": (32, 32) for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")}
for name, shape in weights.items():
    w.add_tensor(name + ".weight", np.full(shape, 0.01, np.float32))
w.write_header_to_file()
w.write_kv_data_to_file()
w.write_tensors_to_file()
w.close()
PY
cat >"$dir/server.py" <<'PY'
"""The prompt that llama.cpp makes. A process of its own: the server's threads end with it."""
import json
import os
import sys
import urllib.request

import xllamacpp

p = xllamacpp.CommonParams()
p.model.path, p.chat_template = sys.argv[1:3]
p.n_ctx, p.warmup, p.verbosity = 64, False, 0
p.cpuparams.n_threads = 1
server = xllamacpp.Server(p)
request = urllib.request.Request(server.listening_address + "/apply-template", headers={"Content-Type": "application/json"},
                                 data=json.dumps({"messages": json.loads(sys.argv[3])}).encode())
with urllib.request.urlopen(request) as answer:
    print("\n" + json.dumps(json.load(answer)["prompt"]), flush=True)
os._exit(0)
PY
cat >"$dir/compare.py" <<'PY'
import json
import subprocess
import sys

import jinja2

EACH = "{% for m in messages %}"
END = "{{ m.content }};{% endfor %}"
USER = [{"role": "user", "content": "Q"}]
CASES = {
    "loop": (EACH + "{% if loop.first %}{% set p = 'P' %}{% endif %}{{ p }}" + END,
             [{"role": r, "content": c} for r, c in (("user", "1"), ("assistant", "2"), ("user", "3"))]),
    "tools": ("{% if tools is not none %}tools{% else %}no tools{% endif %}{% if false %}" + EACH + END + "{% endif %}", USER),
    "date": ("{% if not date_string is defined %}{% set date_string = 'the default' %}{% endif %}"
             "{{ date_string if date_string == 'the default' else 'another' }}{% if false %}" + EACH + END + "{% endif %}", USER),
    "system": (EACH + "{% if m.role != 'system' %}{{ m.role }}: {{ m.content }};{% endif %}{% endfor %}",
               [{"role": "system", "content": "S"}, *USER]),
    "split": (EACH + "{{ m.content.split() | join('-') }}{% endfor %}", [{"role": "user", "content": "a  b"}]),
}
environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
for name, (template, messages) in CASES.items():
    wanted = environment.from_string(template).render(messages=messages, tools=None, add_generation_prompt=True)
    command = [sys.executable, sys.argv[1], sys.argv[2], template, json.dumps(messages)]
    lines = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout.decode().splitlines()
    print(name, "jinja2", repr(wanted), "llama.cpp", repr(json.loads(lines[-1])))
PY
"$dir/venv/bin/python" "$dir/model.py" "$dir/model.gguf"
seen=$("$dir/venv/bin/python" "$dir/compare.py" "$dir/server.py" "$dir/model.gguf")
echo "$seen"
[ "$seen" = "loop jinja2 'P1;2;3;' llama.cpp 'P1;P2;P3;'
tools jinja2 'no tools' llama.cpp 'tools'
date jinja2 'the default' llama.cpp 'another'
system jinja2 'user: Q;' llama.cpp 'user: S\\nQ;'
split jinja2 'a-b' llama.cpp 'a--b'" ] || { echo "changed: another result than the one described above"; exit 1; }
