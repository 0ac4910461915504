# What the scripts of this folder share; sourced, with $work a temporary folder.

# quietly COMMAND...: shows the command's output only if it fails.
quietly() { "$@" >"$work/log" 2>&1 || { cat "$work/log" >&2; echo "failed: $*" >&2; exit 1; }; }
# expect FILE PATTERN: the file has a line that matches.
expect() { grep -qE "$2" "$1" || { cat "$1" >&2; echo "no line matches: $2" >&2; exit 1; }; }
