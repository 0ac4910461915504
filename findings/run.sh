#!/usr/bin/env bash
# Runs findings, each in a virtual environment of its own, and says of each whether the fault shows as described.
#   findings/run.sh [NAME...]      without names: all
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=$here/../.cache/findings
passed=0; failed=0

# prepare NAME: a Python with the finding's packages; it is made anew when they change.
prepare() {
    local venv=$cache/$1 wanted=$here/$1/requirements.txt
    [ -e "$wanted" ] || wanted=/dev/null
    if [ ! -x "$venv/bin/python" ] || ! cmp -s "$wanted" "$venv/installed.txt"; then
        rm -rf "$venv"
        python3 -m venv "$venv" && { [ "$wanted" = /dev/null ] ||
            "$venv/bin/pip" install -q --disable-pip-version-check -r "$wanted"; } && cat "$wanted" >"$venv/installed.txt"
    fi
}

# run NAME: prints its line.
run() {
    local log=$cache/$1.log code
    mkdir -p "$cache"
    if ! prepare "$1" >"$log" 2>&1; then
        code="could not be prepared"
    elif (cd "$here/$1" && PYTHONDONTWRITEBYTECODE=1 timeout 600 "$cache/$1/bin/python" check.py) >"$log" 2>&1; then
        printf 'pass  %s\n' "$1"
        passed=$((passed + 1))
        return
    else
        code=$?
        [ "$code" = 1 ] && code="the fault does not show" || code="could not run: exit code $code"
    fi
    printf 'FAIL  %s: %s\n' "$1" "$code"
    tail -5 "$log" | sed 's/^/      /'
    failed=$((failed + 1))
}

if [ $# -eq 0 ]; then
    set -- $(cd "$here" && ls -d */ 2>/dev/null | tr -d /)
fi
for name in "$@"; do
    if [ ! -f "$here/$name/check.py" ]; then
        echo "findings/run.sh: there is no finding '$name'; there are: $(cd "$here" && ls -d */ 2>/dev/null | tr -d / | xargs)" >&2
        exit 2
    fi
    run "$name"
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
