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

cores=$(nproc)

# The seconds that follow the build on two cores, by what multiplies fastest here: bf16's measured, the others in proportion.
# More than eight cores gain little.
seconds_after_build() {
    local seconds=1500 kind have
    have=" $(sed -n 's/^flags\s*: //p' /proc/cpuinfo 2>/dev/null | head -1) "
    for kind in avx2:700 avx512f:450 avx512_bf16:230; do
        case $have in *" ${kind%:*} "*) seconds=${kind#*:} ;; esac
    done
    echo $((seconds * 2 / (cores < 8 ? cores : 8)))
}

# The seconds of the whole build: it is $probe_share times this library, which is compiled first and takes one core.
probe=ql_core
probe_share=100
seconds_of_build() {
    local begin=$EPOCHREALTIME
    compile release "$probe" >/dev/null
    awk -v b="$begin" -v e="$EPOCHREALTIME" -v share="$probe_share" -v n="$cores" 'BEGIN { printf "%.0f", (e - b) * share / n }'
}

about() { awk -v s="$1" 'BEGIN { if (s < 100) printf "%.0f s", s; else printf "%.0f minutes", s / 60 }'; } # about SECONDS

stage "packages"
install $packages_build $packages_python
stage "build"
configure release -DQL_BUILD_TESTS=OFF
echo "here the build takes about $(about "$(seconds_of_build)"), and what follows it about $(about "$(seconds_after_build)")"
compile release ql-quantize ql-perplexity ql-finetune ql-chat
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
measure "NF4 base + adapter" -m "$base" --lora "$adapter" --predictions "$out/predictions.jsonl"
measure "Q4_1 original + adapter" -m "$model" --lora "$adapter"

stage "chat"
question=$(python3 "$root/tools/lib/answers.py" "$data/orders-train.jsonl" "$data/orders-test.jsonl") # held out, its item was trained
echo "$question"
for lora in "" "$adapter"; do
    echo "--- ${lora:+with the adapter}${lora:-without the adapter}" | sed "s#$adapter##"
    "$bin/ql-chat" -m "$base" ${lora:+--lora "$lora"} --system "Turn the order into JSON." -p "$question" -n 64 --temp 0 -q
    echo
done
stage ""

say "held-out orders (128 samples)"
printf '%-28s %10s %13s\n' "" "mean NLL" "exact match"
printf '%s\n' "${rows[@]}"
say "five of them, by the NF4 base with the adapter"
python3 "$root/tools/lib/answers.py" "$data/orders-train.jsonl" "$data/orders-test.jsonl" "$out/predictions.jsonl" 5
say "time"
printf '%s\n' "${stages[@]}"
printf '%-34s %4d s\n' "in all" $(($(date +%s) - begin))
say "use it in llama.cpp"
cat <<EOF
llama-cli -m $model --lora $adapter \\
    -sys "Turn the order into JSON." -p $(printf %q "$question") --temp 0
llama-server -m $model --lora $adapter
EOF
