# The packages that the libraries are built with. Their targets are local to this project, not GLOBAL, and have names of
# our own: a parent project may look for the same packages, or for others of the same name.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(QL_HWY REQUIRED IMPORTED_TARGET libhwy) # Highway: one SIMD source for every instruction set, chosen at run time

# QL_HWY_DISABLED: the instruction sets of Highway that are not compiled. On x86 baseline (portable), AVX2 and AVX-512
# are; the sets in between serve no machine that trains a model, and each would be one more copy of every kernel to
# compile. Fuzz targets choose none beyond AVX2, which nearly every machine has. On ARM it is NEON alone: kernels take
# the vector length for known, and SVE's is not.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
    set(QL_HWY_DISABLED "(HWY_SVE|HWY_SVE2|HWY_SVE_256|HWY_SVE2_128)")
elseif(QL_BUILD_FUZZ)
    set(QL_HWY_DISABLED "(HWY_SSSE3|HWY_SSE4|HWY_AVX3_DL|HWY_AVX3)")
else()
    set(QL_HWY_DISABLED "(HWY_SSSE3|HWY_SSE4|HWY_AVX3_DL)")
endif()

find_package(nlohmann_json REQUIRED) # JSON: configs, safetensors headers, datasets, metrics; the field's standard parser
pkg_check_modules(QL_PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8) # tokenizer regexes and scores of answers, with Unicode classes
find_package(ZLIB REQUIRED) # .gz data, checksums
