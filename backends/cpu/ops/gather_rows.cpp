// y[:, t] = x[:, ids[t]], zeros for a negative id, NaN for one past the last row.
// Split: rows, about kPiece elements a task. Traffic: a read and a write.
#include <limits>

#include "backends/cpu/device.hpp"
#include "backends/cpu/split.hpp"

namespace ql::cpu {
namespace {

Status launch(const Launch & l) {
    const int64_t width = l.in(0).ne(0), n_rows = l.in(0).ne(1);
    const float * x = l.x(0);
    const int32_t * ids = l.ids(1);
    float * to = l.y(0);
    split_rows(device_of(l).pool, l.in(1).ne(0), width, [=](int64_t first, int64_t last) {
        for (int64_t t = first; t < last; ++t) {
            const int64_t id = ids[t];
            float * y = to + t * width;
            if (id >= 0 && id < n_rows)
                std::copy_n(x + id * width, width, y);
            else
                std::fill_n(y, width, id < 0 ? 0.0f : std::numeric_limits<float>::quiet_NaN());
        }
    });
    return {};
}

}  // namespace

const Kernel kernel::gather_rows = {launch};

}  // namespace ql::cpu
