#!/usr/bin/env bash
# Installs a build to a temporary folder and uses it as a stranger would: every public header alone as C99 and as C++20 (the
# latter by clang too, where it is installed), the programs of examples/embed-c and embed-cpp through find_package(ql) and
# through pkg-config, then runs them.
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

strict_cxx="-std=c++20 -pedantic -Wall -Wextra -Werror"
cxx_compilers=$cxx
if command -v clang++ >/dev/null; then cxx_compilers+=" clang++"; fi

echo "headers"
for header in "$prefix"/include/ql/*; do
    name=ql/${header##*/}
    printf '#include "%s"\ntypedef int not_empty;\n' "$name" >"$work/header.c"
    case $name in *.h)
        quietly "$cc" -std=c99 -pedantic -Wall -Wextra -Werror -fsyntax-only -I"$prefix/include" "$work/header.c" ;;
    esac
    for compiler in $cxx_compilers; do
        quietly "$compiler" $strict_cxx -fsyntax-only -I"$prefix/include" -x c++ "$work/header.c"
    done
done
test ! -e "$prefix/include/ql/structs.hpp" # the library's own headers stay with it

echo "find_package"
quietly cmake -G Ninja -S "$source/examples/embed-c" -B "$work/examples" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$cc"
quietly cmake --build "$work/examples"
quietly cmake -G Ninja -S "$source/examples/embed-cpp" -B "$work/cpp" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_CXX_COMPILER="$cxx"
quietly cmake --build "$work/cpp"

echo "pkg-config"
strict="-std=c99 -pedantic -Wall -Wextra -Werror"
quietly "$cc" $strict "$source/examples/embed-c/graph.c" $(pkg-config --cflags --libs ql) -lm -o "$work/graph"
quietly "$cc" $strict "$source/examples/embed-c/finetune.c" $(pkg-config --cflags --libs ql-models) -o "$work/finetune"
for compiler in $cxx_compilers; do
    quietly "$compiler" $strict_cxx "$source/examples/embed-cpp/finetune.cpp" $(pkg-config --cflags --libs ql-models) -o "$work/finetune-cpp"
done

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

echo "finetune in C++"
# Without figures of time, and of the process's own memory.
figures() { sed -E "s|[0-9.]+ tokens/s|tokens/s|; s|in [0-9.]+ s$||; s|[0-9.]+ MB planned||; s|^saved .*||" "$1"; }
"$work/cpp/finetune" "$work/model.gguf" "$work/data.jsonl" "$work/adapter-cpp.gguf" >"$work/out-cpp"
cmp <(figures "$work/out") <(figures "$work/out-cpp")
cmp "$work/adapter.gguf" "$work/adapter-cpp.gguf" # the same calls

echo "finetune without a model"
status=0
LD_LIBRARY_PATH=$libraries "$work/finetune" "$work/none.gguf" "$work/data.jsonl" "$work/other.gguf" >"$work/out" 2>"$work/error" || status=$?
[ "$status" -eq 1 ] && [ "$(wc -l <"$work/error")" -eq 1 ] || { cat "$work/error" >&2; echo "exit code $status" >&2; exit 1; }
expect "$work/error" '^finetune: .*none\.gguf'
status=0
"$work/cpp/finetune" "$work/none.gguf" "$work/data.jsonl" "$work/other.gguf" >"$work/out" 2>"$work/error-cpp" || status=$?
[ "$status" -eq 1 ] || { echo "exit code $status" >&2; exit 1; }
cmp "$work/error" "$work/error-cpp"
