#!/usr/bin/env bash
# Measures qlora.cpp and its peers (PEFT with bitsandbytes, llama.cpp; oneDNN's products) in one run on this machine; prints
# a table of programs and one of products.
#   tools/bench-peers.sh [--json] [--rounds N] [--threads N] [--only programs|products] [--bin FOLDER]
#   --bin   folder with built programs; without it the release preset is built
# The peers go to a virtual environment, about 6 GB: .cache/venv-peers, or $QL_PEERS_VENV; one that exists already is used as
# it is. A peer that cannot be installed is a row of the table that says so. docs/BENCHMARKS.md has the rest.
set -eu
. "$(dirname "$0")/lib/setup.sh"
. "$root/tools/lib/measuring.sh"
venv=${QL_PEERS_VENV:-$cache/venv-peers}
files=$cache/peers
read_options "$@"

# Installs each line of the requirements by itself; what has been installed is noted beside it, and not tried again.
install_peers() {
    local line log=$venv/install.log
    [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
    grep -v '^#' "$root/tools/peers/requirements.txt" | while read -r line; do
        ! grep -qxF "$line" "$venv/installed" 2>/dev/null || continue
        echo "installing: $line"
        # shellcheck disable=SC2086
        if "$venv/bin/pip" install -q --disable-pip-version-check $line >>"$log" 2>&1 </dev/null; then
            echo "$line" >>"$venv/installed"
        else
            echo "could not be installed, see $log"
        fi
    done
}

{ # stdout has the table alone
    prepare_programs
    say "peers"
    if [ -n "${QL_PEERS_VENV:-}" ] && [ -x "$venv/bin/python" ]; then echo "as they are in $venv"; else install_peers; fi
    say "models"
    mkdir -p "$files"
    fetch_model
    for type in nf4_dq q4_0 q8_0 f16 bf16; do
        "$bin/ql-quantize" -q "$model" "$files/$type.gguf" "$type" >/dev/null
    done
    if [ ! -d "$files/transformers" ]; then
        rm -rf "$files/transformers.new"
        "$venv/bin/python" "$root/tools/peers/make_model.py" "$files/transformers.new" 2>"$files/transformers.log" &&
            mv "$files/transformers.new" "$files/transformers" || tail -1 "$files/transformers.log"
    fi
    ls -lh "$files"
    say "measuring"
} >&2
exec python3 -B "$root/tools/peers/compare.py" --bin "$bin" --python "$venv/bin/python" --files "$files" "${options[@]}"
