// The environment variables that the programs and the library under them read.
#pragma once

namespace ql::cli {

struct Variable {
    const char * name;
    const char * meaning;
};
inline constexpr Variable kVariables[] = {
    {"QL_ISA", "instruction set: scalar, baseline, avx2, avx512, avx512_bf16, amx, neon"},
    {"QL_THREADS", "threads where -t is not given"},
    {"QL_BACKEND_PATH", "more folders with backends, separated by colons"},
    {"QL_VULKAN", "settings of the Vulkan backend, as in validate=1,cache=off"},
    {"QL_LOG", "what is said where neither -q nor -v is given: quiet (-q), info, debug (-v)"}};

}  // namespace ql::cli
