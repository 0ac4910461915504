// What llama.cpp does with each branch of an adapter. It loads more than it applies: a branch on a weight that its graph
// multiplies by itself is read, held in memory, and changes nothing.
#pragma once
#include <string_view>

#include "models/adapter/adapter.hpp"

namespace ql {

/// Where the rules were read.
inline constexpr const char * kLlamaCppRead = "ggml-org/llama.cpp@0c1e57098 (llama-cpp-python 0.3.36)";

struct LlamaCppUse {
    enum Kind { kApplied, kIgnored, kRefused } kind = kApplied;
    const char * why = "";  // of the last two
};

/// Of a branch on `weight` ("blk.0.attn_q.weight") of a base of that architecture.
LlamaCppUse llama_cpp_use(std::string_view architecture, const LoraMatrix & matrix);

}  // namespace ql
