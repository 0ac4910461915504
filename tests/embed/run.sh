#!/usr/bin/env bash
# Installs a build to a temporary folder and uses it as a stranger would: every public header alone as C99 and as C++20,
# both programs of examples/embed-c through find_package(ql) and through pkg-config, then runs them.
#     run.sh SOURCE BUILD WRITE_TINY_MODEL        $CC and $CXX: the compilers
set -euo pipefail
source=$1 build=$2 write_tiny_model=$3
cc=${CC:-cc} cxx=${CXX:-c++}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix

. "$(dirname "$0")/quietly.sh"

echo "install"
quietly cmake --install "$build" --prefix "$prefix"
libraries=$(dirname "$(find "$prefix" -name 'libql.so' -print -quit)")
export PKG_CONFIG_PATH=$libraries/pkgconfig

echo "headers"
for header in "$prefix"/include/ql/*; do
    name=ql/${header##*/}
    printf '#include "%s"\ntypedef int not_empty;\n' "$name" >"$work/header.c"
    case $name in *.h)
        quietly "$cc" -std=c99 -pedantic -Wall -Wextra -Werror -fsyntax-only -I"$prefix/include" "$work/header.c" ;;
    esac
    quietly "$cxx" -std=c++20 -pedantic -Wall -Wextra -Werror -fsyntax-only -I"$prefix/include" -x c++ "$work/header.c"
done

echo "find_package"
quietly cmake -G Ninja -S "$source/examples/embed-c" -B "$work/examples" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$cc"
quietly cmake --build "$work/examples"

echo "pkg-config"
strict="-std=c99 -pedantic -Wall -Wextra -Werror"
quietly "$cc" $strict "$source/examples/embed-c/graph.c" $(pkg-config --cflags --libs ql) -lm -o "$work/graph"
quietly "$cc" $strict "$source/examples/embed-c/finetune.c" $(pkg-config --cflags --libs ql-models) -o "$work/finetune"

echo "graph"
"$work/examples/graph" >"$work/out"
expect "$work/out" '^step 150  loss 0\.0'
LD_LIBRARY_PATH=$libraries "$work/graph" >"$work/again"
cmp "$work/out" "$work/again" # the same program over the same library

echo "finetune"
"$write_tiny_model" "$work/model.gguf" "$work/data.jsonl"
"$work/examples/finetune" "$work/model.gguf" "$work/data.jsonl" "$work/adapter.gguf" >"$work/out"
expect "$work/out" '^step 60 of 60  loss'
expect "$work/out" '^saved '
answer=$(sed -n 's/^expected:  //p' "$work/out")
expect "$work/out" "^generated: $answer$"
test -s "$work/adapter.gguf"

echo "finetune without a model"
status=0
LD_LIBRARY_PATH=$libraries "$work/finetune" "$work/none.gguf" "$work/data.jsonl" "$work/other.gguf" >"$work/out" 2>"$work/error" || status=$?
[ "$status" -eq 1 ] && [ "$(wc -l <"$work/error")" -eq 1 ] || { cat "$work/error" >&2; echo "exit code $status" >&2; exit 1; }
expect "$work/error" '^finetune: .*none\.gguf'
