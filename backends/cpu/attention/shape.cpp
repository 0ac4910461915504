// Not in the header, which files for other instruction sets include: the linker might use their copy of a loop for all.
#include "backends/cpu/attention/shape.hpp"

namespace ql::cpu {

AttentionShape AttentionShape::of_seen_keys(const Launch & l) {
    AttentionShape s(l.node);
    KeyRange seen{s.n_keys, 0};
    for (int64_t t = 0; t < s.n_tokens; ++t) {
        const KeyRange range = key_range(l.ids(3), t, s.n_keys);
        if (range.begin < range.end) seen = {std::min(seen.begin, range.begin), std::max(seen.end, range.end)};
    }
    s.n_keys = seen.end;
    s.first_block = std::min(seen.begin, seen.end) / kKeyBlock;
    if (has_pages(l.node)) s.rows = key_rows(l.node, static_cast<const int32_t *>(l.src[kPageTable]));
    return s;
}

}  // namespace ql::cpu
