#!/usr/bin/env bash
# What a shared library shows, and what it must not use.      check.sh LIBRARY LIST HEADERS [TABLE] [--update]
#   LIBRARY   libql.so or libql-models.so as built
#   LIST      the exported symbols, one a line, sorted: the binary interface under review
#   HEADERS   the folder of public headers, which must declare exactly these functions
#   TABLE     ggml/ops/ops.def: the builders ql_NAME of its operators are promised there, and not once more in LIST
#   --update  writes LIST from LIBRARY after a wanted change
# A removed symbol breaks programs that are already installed; an added one is a promise. Both show as a diff here.
set -eu
export LC_ALL=C
library=$1 list=$2 headers=$3
shift 3
table= update=
for argument; do
    case $argument in
        --update) update=1 ;;
        *) table=$argument ;;
    esac
done
failed=0
complain() { echo "$@" >&2; failed=1; }

exported=$(nm -D --defined-only "$library" | awk '{ print $3 }' | sort)
operators=$([ -z "$table" ] || sed -nE 's/^QL_OP\(([a-z0-9_]+)\)$/ql_\1/p' "$table" | sort)
others=$(comm -23 <(printf '%s\n' "$exported") <(printf '%s\n' "$operators"))
[ -z "$update" ] || printf '%s\n' "$others" > "$list"
diff -u --label "$(basename "$list")" --label "$(basename "$library")" "$list" <(printf '%s\n' "$others") ||
    complain "the exported symbols changed; if this is wanted: tests/abi/check.sh $library $list $headers $table --update"

# A declaration runs from QL_API to a semicolon; its name is the last word before the first parenthesis.
declared=$(cat "$headers"/*.h | tr '\n' ' ' | grep -o 'QL_API [^;({]*(' | sed -nE 's/.*[ *](ql_[a-z0-9_]+) *\($/\1/p' | sort -u)
diff -u --label "declared in headers" --label "$(basename "$library")" <(printf '%s\n' "$declared") <(printf '%s\n' "$exported") ||
    complain "headers and library differ: a function is declared and not defined, or the reverse"

# Library code never ends the process and never writes to the terminal. (A failed allocation inside libstdc++ ends as an
# exception; std::terminate stays reachable from noexcept code, as in every C++ library.)
forbidden='_?exit|_Exit|quick_exit|abort|__assert_fail|v?printf|__v?printf_chk|puts|putchar|perror|std(out|err)'
forbidden="$forbidden|_ZSt4c(out|err|log)|_ZN3hwy5AbortEPKciS1_z"
found=$(nm -D --undefined-only "$library" | awk '{ print $2 }' | sed 's/@.*//' | grep -xE "$forbidden" || true)
[ -z "$found" ] || complain "$(basename "$library") uses what ends the process or prints:" $found

exit $failed
