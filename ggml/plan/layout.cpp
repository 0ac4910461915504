// Greedy by size, the heuristic of Pisarchyk & Lee 2020 ("Efficient memory management for deep neural net inference"):
// within a few percent of the lower bound on training graphs, and deterministic.
#include "ggml/plan/layout.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

namespace ql {
namespace {

/// The buffers of a region that have their place, by offset, in lists for intervals of steps: the whole run, its halves,
/// their halves ... A buffer is in the list of each interval in which it lives, and one that seeks its place looks at the
/// smallest interval around its life, for most live shortly.
class PlacedBuffers {
  public:
    PlacedBuffers(std::span<const Buffer> buffers, int64_t steps) : buffers_(buffers) {
        for (size_t level = 0; level < kLevels; ++level) {
            const int64_t n = int64_t{1} << level;
            levels_[level] = {(steps + n - 1) / n, std::vector<std::vector<size_t>>(static_cast<size_t>(n))};
        }
    }

    /// All that live beside a buffer, and others.
    std::span<const size_t> near(const Buffer & b) const {
        size_t level = kLevels - 1;
        while (levels_[level].interval(b.first) != levels_[level].interval(b.last)) --level;
        return levels_[level].lists[levels_[level].interval(b.first)];
    }
    void add(size_t i) {
        const Buffer & b = buffers_[i];
        for (Level & level : levels_)
            for (size_t n = level.interval(b.first); n <= level.interval(b.last); ++n) {
                std::vector<size_t> & list = level.lists[n];
                list.insert(
                    std::upper_bound(list.begin(), list.end(), i,
                                     [&](size_t x, size_t y) { return buffers_[x].offset < buffers_[y].offset; }),
                    i);
            }
    }

  private:
    static constexpr size_t kLevels = 7;
    struct Level {
        int64_t steps = 1;  // of an interval
        std::vector<std::vector<size_t>> lists = {};
        size_t interval(int64_t step) const { return static_cast<size_t>(step / steps); }
    };
    std::span<const Buffer> buffers_;
    std::array<Level, kLevels> levels_;
};

/// Steps from 0 to the last that a buffer lives in.
int64_t steps_of(std::span<const Buffer> buffers) {
    int64_t steps = 1;
    for (const Buffer & b : buffers) steps = std::max(steps, b.last + 1);
    return steps;
}

}  // namespace

Layout place_buffers(std::span<Buffer> buffers, const ql_device * device, size_t alignment) {
    const auto room = [&](const Buffer & b) { return padded(b.bytes, alignment); };
    std::vector<size_t> order(buffers.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return buffers[a].bytes > buffers[b].bytes; });

    std::vector<PlacedBuffers> placed(static_cast<size_t>(Region::count), {buffers, steps_of(buffers)});
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
        PlacedBuffers & beside = placed[static_cast<size_t>(b.region)];
        size_t offset = 0;
        for (const size_t j : beside.near(b)) {
            const Buffer & other = buffers[j];
            if (other.last < b.first || other.first > b.last) continue;
            if (other.offset >= offset + room(b)) break;  // the gap before it is wide enough
            offset = std::max(offset, other.offset + room(other));
        }
        b.offset = offset;
        end = std::max(end, offset + room(b));
        beside.add(i);
    }
    return layout;
}

}  // namespace ql
