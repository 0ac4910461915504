// Greedy by size, the heuristic of Pisarchyk & Lee 2020 ("Efficient memory management for deep neural net inference"):
// within a few percent of the lower bound on training graphs, and deterministic.
#include "ggml/plan/layout.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

namespace ql {

Layout place_buffers(std::span<Buffer> buffers, const ql_device * device, size_t alignment) {
    const auto room = [&](const Buffer & b) { return padded(b.bytes, alignment); };
    std::vector<size_t> order(buffers.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return buffers[a].bytes > buffers[b].bytes; });

    ByRegion<std::vector<size_t>> placed_in;  // by offset
    Layout layout{};
    for (const size_t i : order) {
        Buffer & b = buffers[i];
        if (b.device != device || b.bytes == 0) continue;
        size_t & end = layout.of(b.region);
        if (b.region == Region::outputs) {
            b.offset = end;
            end += room(b);
            continue;
        }
        std::vector<size_t> & placed = placed_in[static_cast<size_t>(b.region)];
        size_t offset = 0;
        for (const size_t j : placed) {
            const Buffer & other = buffers[j];
            if (other.last < b.first || other.first > b.last) continue;
            if (other.offset >= offset + room(b)) break;  // the gap before it is wide enough
            offset = std::max(offset, other.offset + room(other));
        }
        b.offset = offset;
        end = std::max(end, offset + room(b));
        placed.insert(std::upper_bound(placed.begin(), placed.end(), i,
                                       [&](size_t x, size_t y) { return buffers[x].offset < buffers[y].offset; }),
                      i);
    }
    return layout;
}

}  // namespace ql
