#!/usr/bin/env bash
# Measures qlora.cpp beside this machine's limits: base types, lengths of context, a model of 1.1 billion parameters, the start.
#   tools/bench-figures.sh [--json] [--rounds N] [--threads N] [--only TABLE] [--bin FOLDER]
#   --only  limits, bases, contexts, larger, start (without it all five), or computes: what is learned in bf16 and in f32,
#           minutes a round; may be given several times
#   --bin   folder with built programs; without it the release preset is built
# Needs 2 GB of disk for models of random weights. docs/BENCHMARKS.md says what the figures mean.
set -eu
. "$(dirname "$0")/lib/setup.sh"
. "$root/tools/lib/measuring.sh"
files=$cache/figures
read_options "$@"

{ # stdout has the tables alone
    prepare_programs
    say "models"
    mkdir -p "$files"
    fetch_model
    base=$files/SmolLM2-135M-nf4.gguf
    "$bin/ql-quantize" -q "$model" "$base" nf4_dq >/dev/null
    say "measuring"
} >&2
exec python3 -B "$root/tools/lib/figures.py" --bin "$bin" --files "$files" --model "$base" \
    --data "$root/examples/finetune/orders-train.jsonl" --held-out "$root/examples/finetune/orders-test.jsonl" "${options[@]}"
