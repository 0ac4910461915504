#!/usr/bin/env bash
# Builds and runs every test, then each fuzz target for 10 seconds.      tools/test.sh [--long] [ctest option...]
#   --long         also: AddressSanitizer, UndefinedBehaviorSanitizer and ThreadSanitizer builds, NEON under emulation;
#                  each fuzz target for 10 minutes
#   ctest option   such as `-R Tokenizer`: these tests alone, and no fuzz target
# Installs what it needs; llama.cpp (PyPI xllamacpp) and pytest go to a virtual environment under .cache.
set -eu
. "$(dirname "$0")/lib/setup.sh"

long=no
if [ "${1:-}" = --long ]; then long=yes; shift; fi

say "packages"
install $packages_build $packages_python $packages_test $packages_vulkan $packages_vulkan_test
say "build"
build release -DQL_BUILD_TESTS=ON -DQL_BUILD_PROGRAMS=ON
say "model, llama.cpp and Python packages for the tests"
fetch_model
venv=$cache/venv-interop
if [ ! -x "$venv/bin/python" ] || ! "$venv/bin/python" -c 'import xllamacpp, pytest, hypothesis, nbclient' 2>/dev/null; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install -q --disable-pip-version-check -r "$root/tests/interop/requirements.txt" \
        -r "$root/gguf-py/tests/files/requirements.txt" -r "$root/gguf-py/tests/lib/requirements.txt"
fi
say "tests"
cd "$root/build/release"
export QL_TEST_MODEL=$model QL_TEST_PYTHON=$venv/bin/python QL_TEST_VULKAN=1 # a device is there: no test may skip for want of it
ctest -j "$(nproc)" --no-tests=error --output-on-failure "$@"
if [ $# -eq 0 ]; then
    say "fuzz targets, 10 seconds each"
    install $packages_fuzz
    build fuzz
    ctest --test-dir "$root/build/fuzz" -j "$(nproc)" --no-tests=error --output-on-failure
fi
[ "$long" = yes ] || exit 0

say "long tests"
. "$root/tests/long.sh"
