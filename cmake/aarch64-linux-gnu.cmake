# Toolchain: builds for 64-bit ARM (NEON) on another machine with Debian's cross compiler; programs run under qemu-user.
# The libraries are Debian's arm64 packages, which tests/neon.sh unpacks to QL_ARM64_PACKAGES without installing them.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -L /usr/aarch64-linux-gnu)

set(QL_ARM64_PACKAGES ${CMAKE_CURRENT_LIST_DIR}/../.cache/arm64 CACHE PATH "Unpacked arm64 packages")
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES QL_ARM64_PACKAGES)
set(CMAKE_FIND_ROOT_PATH ${QL_ARM64_PACKAGES} /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE BOTH) # header-only packages are the host's
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${QL_ARM64_PACKAGES})
set(ENV{PKG_CONFIG_LIBDIR} ${QL_ARM64_PACKAGES}/usr/lib/aarch64-linux-gnu/pkgconfig)
