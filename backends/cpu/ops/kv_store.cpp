// Split: rows, about kPiece elements a task; indices are distinct, so tasks write apart. Traffic: a read and a write of
// the new rows; the rest of the cache is not touched. An index outside the cache is skipped, as in the reference.
#include <cstring>

#include "backends/cpu/device.hpp"
#include "backends/cpu/split.hpp"

namespace ql::cpu {
namespace {

Status launch(const Launch & l) {
    const int64_t width = l.in(0).ne(0), n_cache = l.in(0).ne(1);
    const float * rows = l.x(1);
    const int32_t * index = l.ids(2);
    float * cache = l.y(0);
    split_rows(device_of(l).pool, l.in(1).ne(1), width, [=](int64_t first, int64_t last) {
        for (int64_t t = first; t < last; ++t)
            if (index[t] >= 0 && index[t] < n_cache)
                std::memcpy(cache + index[t] * width, rows + t * width, static_cast<size_t>(width) * sizeof(float));
    });
    return {};
}

}  // namespace

const Kernel kernel::kv_store = {launch};

}  // namespace ql::cpu
