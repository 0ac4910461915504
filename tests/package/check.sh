#!/usr/bin/env bash
# Uses the packages of a folder as somebody would who has neither this source nor its build: unpacked where they are not meant
# to be, with bin/ and lib/ moved on, and, where debootstrap is there, installed in a bare Debian.
#     check.sh FOLDER WRITE_TINY_MODEL
set -euo pipefail
packages=$(cd "$1" && pwd) write_tiny_model=$2 source=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
. "$source/tests/embed/quietly.sh"
tarball=$(ls "$packages"/qlora-cpp-*.tar.gz) deb=$(ls "$packages"/qlora-cpp_*.deb)
"$write_tiny_model" "$work/model.gguf" "$work/data.jsonl"
here="env -i PATH=/usr/bin:/bin HOME=$work"

# use FOLDER LIBDIR: trains and chats with the programs in FOLDER/bin, which take their libraries from FOLDER/LIBDIR.
use() {
    local bin=$1/bin lib=$1/$2 program
    for program in ql-adapter ql-bench ql-chat ql-convert ql-doctor ql-finetune ql-perplexity ql-plot ql-quantize; do
        expect <($here "$bin/$program" --version) "^$program [0-9]"
    done
    expect <(ldd "$bin/ql-chat") "libql-models.so.0 => $(cd "$bin" && pwd)/../$2/libql-models.so.0"
    quietly $here "$bin/ql-doctor" --quick -t 1
    quietly $here "$bin/ql-finetune" -q -m "$work/model.gguf" -d "$work/data.jsonl" -o "$work/a.gguf" --steps 2 --ctx 64 --overwrite \
        --metrics "$work/m.jsonl"
    quietly $here "$bin/ql-plot" "$work/m.jsonl" -o "$work/m.png"
    test -s "$work/m.png" && rm "$work/m.png"
    quietly $here "$bin/ql-chat" -m "$work/model.gguf" --lora "$work/a.gguf" -p hello -n 2
    test -s "$work/a.gguf" && rm "$work/a.gguf"
}

# holds FOLDER LIBDIR: what is neither a program nor a library.
holds() {
    local file doc=share/doc/qlora-cpp
    for file in share/man/man1/ql-chat.1 share/bash-completion/completions/ql-chat share/zsh/site-functions/_ql-chat \
        share/fish/vendor_completions.d/ql-chat.fish include/ql/models.h include/ql/models.hpp include/ql/graph.h \
        "$2/pkgconfig/ql-models.pc" "$2/cmake/ql/ql-config.cmake" "$doc/LICENSE" "$doc/README.md" "$doc/docs/data.md" "$doc/LICENSE.DejaVu" \
        "$doc/docs/recipes/small-set.toml" "$doc/examples/finetune/orders-train.jsonl" "$doc/examples/embed-c/graph.c"; do
        test -s "$1/$file" || { echo "missing: $file" >&2; exit 1; }
    done
    test ! -e "$1/$doc/examples/finetune/main.cpp" # no pieces of the programs' source
}

# build_with FOLDER LIBDIR: a program over the library, by pkg-config and by find_package.
build_with() {
    local flags
    flags=$(PKG_CONFIG_PATH=$1/$2/pkgconfig pkg-config --cflags --libs ql)
    quietly cc "$source/examples/embed-c/graph.c" $flags -lm -o "$work/graph"
    expect <(LD_LIBRARY_PATH=$1/$2 "$work/graph") '^step 150  loss 0\.0'
    rm -rf "$work/examples"
    quietly cmake -S "$source/examples/embed-c" -B "$work/examples" -DCMAKE_PREFIX_PATH="$1"
    quietly cmake --build "$work/examples"
}

echo "tarball: unpacked, then bin/ and lib/ alone in a folder with a blank in its name"
mkdir "$work/tar" "$work/an other"
tar -xzf "$tarball" -C "$work/tar" --strip-components=1
use "$work/tar" lib
holds "$work/tar" lib
build_with "$work/tar" lib
cp -a "$work/tar/bin" "$work/tar/lib" "$work/an other/"
rm -rf "$work/tar"
use "$work/an other" lib

echo ".deb: what it says and holds"
multiarch=lib/$(dpkg-architecture -q DEB_HOST_MULTIARCH)
for library in libc6 libhwy1 libstdc++6 libpcre2-8-0 zlib1g libedit2 libcpp-httplib0.11; do
    expect <(dpkg-deb -f "$deb" Depends) "(^|, )${library//+/[+]}( |,|$)"
done
dpkg-deb -x "$deb" "$work/deb"
use "$work/deb/usr" "$multiarch"
holds "$work/deb/usr" "$multiarch"
build_with "$work/deb/usr" "$multiarch"

if [ "$(id -u)" -ne 0 ] || ! command -v debootstrap >/dev/null; then
    echo "a bare Debian: skipped, it takes root and debootstrap"
    exit 0
fi
echo "a bare Debian"
quietly debootstrap --variant=minbase "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$work/root" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}"
cp "$deb" "$work/root/tmp/qlora.deb"
cp /etc/resolv.conf "$work/root/etc/" 2>/dev/null || true
cp "$work/model.gguf" "$work/data.jsonl" "$work/root/tmp/"
there="chroot $work/root env -i PATH=/usr/bin:/bin:/usr/sbin:/sbin HOME=/root DEBIAN_FRONTEND=noninteractive"
quietly $there apt-get update -q
quietly $there apt-get install -y -q --no-install-recommends /tmp/qlora.deb
quietly $there ql-doctor --quick -t 1
quietly $there ql-finetune -q -m /tmp/model.gguf -d /tmp/data.jsonl -o /tmp/a.gguf --steps 2 --ctx 64
quietly $there ql-chat -m /tmp/model.gguf --lora /tmp/a.gguf -p hello -n 2
quietly $there apt-get remove -y -q qlora-cpp
if ls "$work/root/usr/bin" | grep -q '^ql-'; then echo "left behind by apt-get remove" >&2; exit 1; fi
