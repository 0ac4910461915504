#!/usr/bin/env bash
# Runs findings and says of each whether what its comment describes is still so.
#   tools/run-findings.sh [NAME...]      without names: all
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../findings"
if [ $# -eq 0 ]; then
    for script in *.sh; do set -- "$@" "${script%.sh}"; done
fi
failed=0
for name in "$@"; do
    if [ ! -f "$name.sh" ]; then
        echo "run-findings.sh: there is no finding '$name'" >&2
        exit 2
    fi
    if output=$("./$name.sh" 2>&1); then
        echo "pass  $name"
    else
        echo "FAIL  $name"
        tail -5 <<<"$output" | sed 's/^/      /'
        failed=$((failed + 1))
    fi
done
echo "$(($# - failed)) passed, $failed failed"
[ "$failed" -eq 0 ]
