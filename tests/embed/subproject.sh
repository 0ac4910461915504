#!/usr/bin/env bash
# The tree inside of another project (tests/embed/parent): what it sets there, which flags its files are compiled with, and
# the flags of a build of its own. Compiles a few files; --whole builds all, and runs a program over it.
#     subproject.sh SOURCE [--whole]        $CC and $CXX: the compilers
set -euo pipefail
source=$1 whole=${2:-}
here=$(dirname "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
. "$here/quietly.sh"

configure() { cmake -G Ninja "$@" -DCMAKE_EXPORT_COMPILE_COMMANDS=ON; } # configure -S SOURCE -B BUILD OPTION...
# flags BUILD FILE: the command that compiles a file
flags() { sed -n "s|^ *\"command\": \"\(.*/$2\)\",\$|\1|p" "$1/compile_commands.json"; }
# compiled BUILD FILE YES NO: the command has the flags YES, and no word that matches NO
compiled() {
    local command flag; command=" $(flags "$1" "$2") "
    [ "$command" != "  " ] || { echo "$2 is not compiled in $1" >&2; exit 1; }
    for flag in $3; do
        case $command in *" $flag "*) ;; *) echo "$2 is not compiled with $flag:$command" >&2; exit 1 ;; esac
    done
    ! grep -qE -- " ($4)" <<<"$command" || { echo "$2 is compiled with $4:$command" >&2; exit 1; }
}

echo "inside another project"
parent=$work/parent
quietly configure -S "$here/parent" -B "$parent" -DQL_SOURCE="$source" -DCMAKE_CXX_FLAGS=-DPARENTS_OWN -DCMAKE_CXX_FLAGS_RELEASE=-O1 \
    -DCMAKE_BUILD_TYPE=Release
compiled "$parent" ggml/core/status.cpp "-DPARENTS_OWN -O1 -std=c++20 -fPIC -fvisibility=hidden -ffp-contract=off" "-Werror|-Wall|-O2|-g "
compiled "$parent" parent/own.cpp "-DPARENTS_OWN -O1 -std=gnu++14" "-Werror|-Wall|-O2|-f|-DQL"
if find "$parent/ql" -name CTestTestfile.cmake | grep -q .; then echo "the parent project got tests of ours" >&2; exit 1; fi
objects="CMakeFiles/graph.dir/${source#/}/examples/embed-c/graph.c.o CMakeFiles/finetune.dir/${source#/}/examples/embed-c/finetune.c.o"
quietly cmake --build "$parent" -j1 --target $objects ql/ggml/CMakeFiles/ql_core.dir/core/status.cpp.o

quietly cmake --install "$parent" --prefix "$work/prefix"
[ ! -e "$work/prefix" ] || { echo "the parent project installs files of ours" >&2; exit 1; }

echo "a module without sources"
if configure -S "$here/parent" -B "$parent" -DEMPTY_FOLDER=empty >"$work/log" 2>&1; then
    echo "a module of a folder without sources was taken" >&2; exit 1
fi
expect "$work/log" 'ql_empty: .*empty has no'

echo "tests inside another project"
if configure -S "$here/parent" -B "$parent" -DEMPTY_FOLDER= -DQL_BUILD_TESTS=ON >"$work/log" 2>&1; then
    echo "tests inside another project were taken" >&2; exit 1
fi
expect "$work/log" 'QL_BUILD_TESTS.*tested by a build of its own'

echo "on its own"
alone=$work/alone
quietly configure -S "$source" -B "$alone" -DQL_BUILD_TESTS=OFF -DQL_BUILD_PROGRAMS=OFF
compiled "$alone" ggml/core/status.cpp "-O2 -DNDEBUG -Wall" "-Werror|-O3"
quietly configure -S "$source" -B "$alone" -DCMAKE_CXX_FLAGS_RELEASE=-O1
compiled "$alone" ggml/core/status.cpp "-O1" "-O2|-O3|-DNDEBUG"

if [ "$whole" = --whole ]; then
    echo "the whole, built and run"
    quietly configure -S "$here/parent" -B "$parent" -DQL_BUILD_TESTS=OFF -DCMAKE_CXX_FLAGS_RELEASE="-O3 -DNDEBUG" # CMake's own
    quietly cmake --build "$parent"
    "$parent/graph" >"$work/out"
    expect "$work/out" '^step 150  loss 0\.0'
fi
