# Shared by bench-figures.sh and bench-peers.sh, after setup.sh: their options, and the programs that they measure. Sourced.

# read_options "$@": sets $bin (empty: to be built) and $options, those for the Python script. Else prints the script's head.
read_options() {
    bin=; options=()
    while [ $# -gt 0 ]; do
        case $1 in
        --bin) bin=$(cd "${2:?"--bin needs a folder"}" && pwd); shift 2 ;;
        --rounds | --threads | --only) options+=("$1" "${2:?"$1 needs a value"}"); shift 2 ;;
        --json) options+=("$1"); shift ;;
        *) sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
        esac
    done
}

# Installs Python, and builds the release preset where no folder with programs was given.
prepare_programs() {
    say "packages"
    install $packages_python
    [ -z "$bin" ] || return 0
    install $packages_build
    say "build"
    build release -DQL_BUILD_TESTS=OFF
    bin=$root/build/release/bin
}
