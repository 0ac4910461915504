#!/usr/bin/env bash
# Runs one fuzz target for $QL_FUZZ_SECONDS (10) from its corpus and what make_corpus writes today, under limits: the reader
# of a small file takes neither ten seconds, nor 1 GiB, nor half of it at once.
#   run.sh TARGET MAX_LEN [option of libFuzzer...]
# $QL_FUZZ_SEED (1) chooses the inputs; 0 takes new ones each time. An input that fails stays in the folder `failures`
# beside the target; `TARGET INPUT` runs it again.
set -eu
target=$1; max_len=$2; shift 2
name=$(basename "$target"); name=${name#ql_fuzz_}
corpus=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/corpus/$name
failures=$(dirname "$target")/failures
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$failures" "$scratch/found" "$scratch/files"
export TMPDIR=$scratch/files
"$(dirname "$target")/ql_fuzz_make_corpus" "$scratch/seeds"
export ASAN_OPTIONS=allocator_may_return_null=1:detect_stack_use_after_return=0 UBSAN_OPTIONS=print_stacktrace=1
"$target" -max_total_time="${QL_FUZZ_SECONDS:-10}" -seed="${QL_FUZZ_SEED:-1}" -max_len="$max_len" -timeout=10 \
    -rss_limit_mb=1024 -malloc_limit_mb=512 -artifact_prefix="$failures/$name-" \
    -print_final_stats=1 -print_funcs=0 -verbosity=0 "$@" \
    "$scratch/found" "$corpus" "$scratch/seeds/$name"
