# Runs test files of this folder with $QL_TEST_PYTHON, or says what is missing and exits with ctest's code for "skipped".
#   run.sh FILE...
python=${QL_TEST_PYTHON:-}
if [ -z "$python" ]; then
    echo "skipped: \$QL_TEST_PYTHON is not set (tools/test.sh sets it)"
    exit 77
fi
if ! "$python" -c 'import numpy, pytest' 2>/dev/null; then
    echo "skipped: $python has no numpy or no pytest; install requirements.txt of this folder"
    exit 77
fi
cd "$(dirname "$0")" || exit 1
# A folder of its own: pytest's is shared with every other run on the machine, and cleared by them.
PYTHONDONTWRITEBYTECODE=1 exec "$python" -m pytest -q -p no:cacheprovider --basetemp "$QL_TEST_SCRATCH" "$@"
