// Not in the header: files for other instruction sets include it, whose copy of a loop might be linked into all.
#include "backends/cpu/attention/shape.hpp"

namespace ql::cpu {

AttentionShape AttentionShape::of_seen_keys(const Launch & l) {
    AttentionShape s(l.node);
    int64_t last = 0;
    for (int64_t t = 0; t < s.n_tokens; ++t) last = std::max(last, key_range(l.ids(3), t, s.n_keys).end);
    s.n_keys = last;
    if (has_pages(l.node)) s.rows = key_rows(l.node, static_cast<const int32_t *>(l.src[kPageTable]));
    return s;
}

}  // namespace ql::cpu
