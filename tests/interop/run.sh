# Runs one test script with $QL_TEST_PYTHON, or says what is missing and exits with ctest's code for "skipped".
#   run.sh SCRIPT [argument...]
for variable in QL_TEST_PYTHON QL_TEST_MODEL; do
    eval "value=\${$variable:-}"
    if [ -z "$value" ]; then
        echo "skipped: \$$variable is not set (tools/test.sh sets it)"
        exit 77
    fi
done
script=$(dirname "$0")/$1
shift
PYTHONDONTWRITEBYTECODE=1 exec "$QL_TEST_PYTHON" "$script" "$@"
