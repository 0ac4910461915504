#!/usr/bin/env bash
# Every preset can be configured: those of the long tests alone would be found broken late. A preset whose compiler is not here is left out.
#     presets.sh SOURCE
set -euo pipefail
source=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
. "$(dirname "$0")/embed/quietly.sh"

cd "$source"
presets=$(cmake --list-presets | sed -n 's/^ *"\([^"]*\)".*/\1/p')
[ -n "$presets" ] || { echo "CMakePresets.json names no preset" >&2; exit 1; }
for preset in $presets; do
    if [ "$preset" = fuzz ] && ! command -v clang++-19 >/dev/null; then
        echo "$preset: no clang++-19"
        continue
    fi
    echo "$preset"
    quietly cmake --preset "$preset" -B "$work/$preset"
done
