# The long tests that are builds of their own; sourced by `tools/test.sh --long` behind tools/lib/setup.sh.
# Each build stops at its first finding: sanitizers are compiled with -fno-sanitize-recover.

# run_tests PRESET TEST...: the GoogleTest programs directly, one process each instead of one for each test.
run_tests() {
    local preset=$1 test; shift
    for test in "$@"; do
        echo "$preset: $test"
        "$root/build/$preset/bin/$test" --gtest_brief=1
    done
}

say "AddressSanitizer and UndefinedBehaviorSanitizer: all unit tests"
build asan -DQL_BUILD_PROGRAMS=OFF
(export UBSAN_OPTIONS=print_stacktrace=1 ASAN_OPTIONS=allocator_may_return_null=1
 run_tests asan $(cd "$root/build/asan/bin" && ls -d ql_test_*))

say "ThreadSanitizer: the threaded tests"
(cd "$root" && cmake --preset tsan -DQL_BUILD_PROGRAMS=OFF >/dev/null &&
    cmake --build --preset tsan --target ql_test_cpu ql_test_graph)
(export TSAN_OPTIONS=halt_on_error=1 QL_THREADS=2
 run_tests tsan ql_test_cpu ql_test_graph)

"$root/tests/neon.sh" --gtest_brief=1
