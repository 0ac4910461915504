# Runs the tests of gguf-py with $QL_TEST_PYTHON, or says what is missing and exits with ctest's code for "skipped".
#   run.sh [option of pytest...]
package=$(dirname "$0")/../../gguf-py
if [ -z "${QL_TEST_PYTHON:-}" ]; then
    echo "skipped: \$QL_TEST_PYTHON is not set (tools/test.sh sets it)"
    exit 77
fi
if ! "$QL_TEST_PYTHON" -c 'import numpy, pytest, hypothesis' 2>/dev/null; then
    echo "skipped: \$QL_TEST_PYTHON lacks what gguf-py/tests/files/requirements.txt names"
    exit 77
fi
cd "$package" && PYTHONDONTWRITEBYTECODE=1 exec "$QL_TEST_PYTHON" -m pytest tests/files "$@"
