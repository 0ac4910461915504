#!/usr/bin/env bash
# A run of ql-finetune that is killed again and again ends in the very bytes of one that was left alone; so does one that
# was interrupted, and one that goes on for more steps; and two runs never share a checkpoint directory.
#     kill_resume.sh BIN WRITE_TINY_MODEL [KILLS [OPTION...]]       $QL_SEED: chooses the kills' moments (any by default; printed)
set -euo pipefail
bin=$1 write_tiny_model=$2 kills=${3:-20}
shift $(($# < 3 ? $# : 3))
work=$(mktemp -d)
child=
trap '[ -z "$child" ] || kill -9 "$child" 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
export QL_THREADS=1 PATH=$bin:$PATH
RANDOM=${QL_SEED:=$RANDOM}
echo "QL_SEED=$QL_SEED"

fail() { echo "failed: $*" >&2; cat log >&2; exit 1; }
now_ms() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }
sleep_ms() { sleep "$(printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000)))"; }

steps=120
options=(-q -t 1 -m model.gguf -d data.jsonl --steps $steps --ctx 64 --batch 2 --grad-accum 2 --lora-r 4 --lora-dropout 0.1
         --lr 0.01 --eval-split 0.2 --eval-every 7 --keep-checkpoints "$@")
# start NAME SAVE_EVERY: a run in the background, as $child, with files of that name; resumes from any checkpoint.
start() {
    ql-finetune "${options[@]}" -o "$1.gguf" --metrics "$1.jsonl" --checkpoint-dir "$1.ckpt" --save-every "$2" --resume auto >log 2>&1 &
    child=$!
}
# finish: waits for $child; its exit code is in $code then.
finish() { code=0; { wait "$child"; } 2>/dev/null || code=$?; child=; }
running() { kill -0 "$child" 2>/dev/null; }
newest() { local files=("$1.ckpt"/step-*.gguf); echo "${files[-1]}"; }
lines() { if [ -e "$1" ]; then wc -l <"$1"; else echo 0; fi; }
# same NAME: its files are those of the run that was left alone, but for clock times; nothing else is left.
without_times() { sed -E 's/"(tok_s|seconds|rss_bytes)":[^,}]*//g' "$1"; }
same() {
    cmp alone.gguf "$1.gguf" || fail "$1: another adapter"
    cmp alone.best.gguf "$1.best.gguf" || fail "$1: another best adapter"
    diff <(without_times alone.jsonl) <(without_times "$1.jsonl") || fail "$1: other metrics"
    local left; left=$(find . -name '*.tmp*' -o -name lock)
    [ -z "$left" ] || fail "$1: left behind: $left"
}

"$write_tiny_model" model.gguf chats.jsonl
for i in 1 2 3 4 5 6 7 8; do sed "s/Order /Order $i/" chats.jsonl; done >data.jsonl
begin=$(now_ms)
start alone 1; finish
[ $code -eq 0 ] || fail "the run that is left alone: exit code $code"
length=$(($(now_ms) - begin))
[ "$(lines alone.jsonl)" -eq $steps ] || fail "$(lines alone.jsonl) lines of metrics, not $steps"
echo "left alone: $length ms"

# Two kills of three come soon after a first new checkpoint, the third at any moment from the start on. A run that ends
# sooner than it is killed is compared and begun anew, until all kills are done.
killed=0 ended=0 unfinished=0 reached=
while [ $killed -lt "$kills" ]; do
    before=$(newest killed)
    start killed 1
    if [ $((killed % 3)) -lt 2 ]; then
        while running && [ "$(newest killed)" = "$before" ]; do sleep 0.005; done
        sleep_ms $((RANDOM % (length / 10 + 1)))
    else
        sleep_ms $((RANDOM % (length / 3 + 1)))
    fi
    kill -9 "$child" 2>/dev/null || true
    finish
    if [ $code -eq 137 ]; then
        killed=$((killed + 1)) reached+=" $(lines killed.jsonl)"
        [ -z "$(find . -name '*.tmp-*')" ] || unfinished=$((unfinished + 1))
    elif [ $code -eq 0 ]; then
        ended=$((ended + 1))
        same killed
        rm -rf killed.*
    else
        fail "going on after $killed kills: exit code $code"
    fi
done
start killed 1; finish
[ $code -eq 0 ] || fail "the last part: exit code $code"
same killed
[ "$(ls killed.ckpt)" = "$(ls alone.ckpt)" ] || fail "other checkpoints are kept: $(ls killed.ckpt)"
echo "$kills kills, after steps$reached; $unfinished left an unfinished file; $((ended + 1)) runs ended, each the same as the one left alone"

start interrupted 1000
while running && [ "$(lines interrupted.jsonl)" -lt 12 ]; do sleep 0.005; done
kill -STOP "$child"
code=0
ql-finetune "${options[@]}" -o other.gguf --checkpoint-dir interrupted.ckpt --resume auto >out 2>error || code=$?
[ $code -eq 2 ] && [ "$(lines error)" -eq 1 ] && grep -q "in use by process $child" error || { cat error >&2; fail "a second run in the same directory: exit code $code"; }
[ ! -e other.gguf ] || fail "the second run wrote its adapter"
echo "second run: $(cat error)"

kill -INT "$child"
kill -CONT "$child"
finish
[ $code -eq 130 ] || fail "interrupted: exit code $code"
saved=$(sed -nE 's/.*saved in ([^;]*).*/\1/p' log)
[ -s "$saved" ] && [ "$saved" = "$(newest interrupted)" ] || fail "interrupted: no checkpoint '$saved'"
again=$(sed -nE 's/.*go on with: (.*)/\1/p' log)
echo "interrupted: $saved"
eval "$again" >log 2>&1 || fail "the line that goes on: $again"
same interrupted

# A run that has ended goes on for longer, killed on the way or not. What a kill leaves is an adapter that can be used.
longer() {
    ql-finetune "${options[@]}" --steps $((steps + 30)) -o "$1.gguf" --metrics "$1.jsonl" --checkpoint-dir "$1.ckpt" --save-every 1 \
                --resume auto >log 2>&1 &
    child=$!
}
for name in whole cut; do
    cp -r alone.ckpt $name.ckpt
    for file in gguf best.gguf jsonl; do cp alone.$file $name.$file; done
done
longer whole; finish
[ $code -eq 0 ] || fail "going on for longer: exit code $code"
[ "$(lines whole.jsonl)" -eq $((steps + 30)) ] || fail "going on for longer: $(lines whole.jsonl) lines of metrics"
longer cut
while running && [ "$(lines cut.jsonl)" -lt $((steps + 12)) ]; do sleep 0.005; done
kill -9 "$child" 2>/dev/null || true
finish
if [ $code -eq 137 ]; then
    ql-finetune -q --export-from cut.ckpt -o exported.gguf >log 2>&1 || fail "the adapter of a killed run"
    [ -s exported.gguf ] || fail "no adapter of a killed run"
fi
longer cut; finish
[ $code -eq 0 ] || fail "going on for longer, after a kill: exit code $code"
cmp whole.gguf cut.gguf || fail "going on for longer, after a kill: another adapter"
diff <(without_times whole.jsonl) <(without_times cut.jsonl) || fail "going on for longer, after a kill: other metrics"
ql-finetune -q --export-from cut.ckpt -o exported.gguf >log 2>&1 && cmp exported.gguf cut.gguf || fail "the last checkpoint's adapter is not the run's"
echo "went on for longer"
