#!/usr/bin/env bash
# Makes packages of the programs, the libraries and what belongs to them: a .deb, and a tarball whose folder works wherever
# it lies.
#     tools/package.sh [FOLDER]        where they go; default: build/packages
# Installs what it needs. The .deb names what it depends on; the tarball needs the same libraries of the system: the C++
# runtime, Highway, PCRE2, zlib, libedit, cpp-httplib.
set -eu
. "$(dirname "$0")/lib/setup.sh"
folder=${1:-$root/build/packages}

say "packages"
install $packages_build $packages_package
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)

# package GENERATOR [cmake option...]: a build of the programs alone, and cpack.
package() {
    local generator=$1 binary=$root/build/package; shift
    (cd "$root" && cmake --preset release -B "$binary" -DQL_BUILD_TESTS=OFF -DQL_BUILD_PROGRAMS=ON \
        -DCMAKE_INSTALL_PREFIX=/usr -DCMAKE_INSTALL_DOCDIR=share/doc/qlora-cpp "$@" >/dev/null &&
        cmake --build "$binary")
    (cd "$binary" && cpack -G "$generator" -B "$folder" >"$binary/cpack.log" 2>&1) || { cat "$binary/cpack.log" >&2; exit 1; }
    rm -rf "$folder/_CPack_Packages"
}

say ".deb"
package DEB -DCMAKE_INSTALL_LIBDIR="lib/$(dpkg-architecture -q DEB_HOST_MULTIARCH)"
say "tarball"
package TGZ -DCMAKE_INSTALL_LIBDIR=lib
ls -lh "$folder"
