// Weights of all layers together, by what they do.
#pragma once
#include <string>

namespace ql::cli {

/// "blk.12.attn_q.weight" -> "attn_q": figures differ by kind far more than by layer.
inline std::string kind_of(const std::string & name) {
    const size_t end = name.ends_with(".weight") ? name.size() - 7 : name.size();
    const size_t dot = name.starts_with("blk.") ? name.find('.', 4) : name.npos;
    return dot < end ? name.substr(dot + 1, end - dot - 1) : name.substr(0, end);
}

}  // namespace ql::cli
