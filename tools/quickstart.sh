#!/usr/bin/env bash
# From nothing to a fine-tuned model: installs what is missing, builds, fetches SmolLM2-135M-Instruct, makes an NF4 copy,
# measures, trains, measures again, chats, and says how to take the adapter to llama.cpp.
#   tools/quickstart.sh [folder for the results]      default: quickstart/
set -eu
. "$(dirname "$0")/lib/setup.sh"
out=${1:-$root/quickstart}
bin=$root/build/release/bin
data=$root/examples/finetune
base=$out/SmolLM2-135M-nf4.gguf
adapter=$out/orders.gguf
mkdir -p "$out"

stages=(); begin=$(date +%s); last=$begin
stage() { # stage NAME: ends the stage before it
    local now; now=$(date +%s)
    [ -n "${current:-}" ] && stages+=("$(printf '%-34s %4d s' "$current" $((now - last)))")
    last=$now; current=${1:-}
    [ -z "$current" ] || say "$current"
}

stage "packages"
install $packages_build $packages_python
stage "build"
build release -DQL_BUILD_TESTS=OFF -- ql-quantize ql-perplexity ql-finetune ql-chat
stage "model (SmolLM2-135M-Instruct)"
fetch_model
ls -lh "$model"
stage "NF4 copy, double-quantised"
"$bin/ql-quantize" "$model" "$base" nf4_dq

# row NAME ARG...: NLL and exact answers on the held-out orders.
json_number() { sed -n "s/.*\"$1\": *\([-0-9.eE+]*\|null\).*/\1/p" | head -1; }
measure() {
    local name=$1; shift
    local json; json=$("$bin/ql-perplexity" "$@" -d "$data/orders-test.jsonl" --exact --json)
    local nll exact; nll=$(json_number nll <<<"$json"); exact=$(json_number exact <<<"$json")
    rows+=("$(awk -v n="$name" -v l="$nll" -v e="$exact" 'BEGIN { printf "%-28s %10.3f %11.1f %%", n, l, 100 * e }')")
    echo "${rows[-1]}"
}
rows=()
stage "before: held-out orders"
measure "NF4 base" -m "$base"
stage "training"
"$bin/ql-finetune" -m "$base" -d "$data/orders-train.jsonl" -o "$adapter" --base-type keep --lora-r 16 --lora-alpha 32 \
    --lr 1e-3 --epochs 2 --grad-accum 1 --plot "$out/orders.png" --metrics "$out/orders.jsonl" --checkpoint-dir "$out/checkpoints" --keep-checkpoints --resume auto
stage "after: held-out orders"
measure "NF4 base + adapter" -m "$base" --lora "$adapter"
measure "Q4_1 original + adapter" -m "$model" --lora "$adapter"

stage "chat"
question='hi there, could i get a pair of size M blue jeans sent to Lisbon by friday? thx!'
for lora in "" "$adapter"; do
    echo "--- ${lora:+with the adapter}${lora:-without the adapter}" | sed "s#$adapter##"
    "$bin/ql-chat" -m "$base" ${lora:+--lora "$lora"} --system "Turn the order into JSON." --chat -p "$question" -n 64 --temp 0 -q
    echo
done
stage ""

say "held-out orders (128 samples)"
printf '%-28s %10s %13s\n' "" "mean NLL" "exact match"
printf '%s\n' "${rows[@]}"
say "time"
printf '%s\n' "${stages[@]}"
printf '%-34s %4d s\n' "in all" $(($(date +%s) - begin))
say "use it in llama.cpp"
cat <<EOF
llama-cli -m $model --lora $adapter \\
    -sys "Turn the order into JSON." -p "$question" --temp 0
llama-server -m $model --lora $adapter
EOF
