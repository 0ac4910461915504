# The packages that the libraries are built with. Their targets are local to this project, not GLOBAL, and have names of
# our own: a parent project may look for the same packages, or for others of the same name.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(QL_HWY REQUIRED IMPORTED_TARGET libhwy) # Highway: one SIMD source for every instruction set, chosen at run time
find_package(nlohmann_json REQUIRED) # JSON: configs, safetensors headers, datasets, metrics; the field's standard parser
pkg_check_modules(QL_PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8) # tokenizer regexes with Unicode classes
find_package(ZLIB REQUIRED) # .gz data, checksums
