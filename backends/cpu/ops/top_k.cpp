// The k largest of each row, largest first.
// Split: rows, about kPiece elements a task. Traffic: one read. The result's own row holds the k best so far, in order;
// an element of the row is compared with the last of them, and seldom goes in: on random data k log(n / k) times.
#include "ggml/ops/top_k.hpp"

#include "backends/cpu/device.hpp"
#include "backends/cpu/split.hpp"
#include "ggml/ops/params.hpp"

namespace ql::cpu {
namespace {

void best_of_row(const float * x, int64_t n, int64_t k, float * values, int32_t * ids) {
    int64_t held = 0;
    for (int64_t i = 0; i < n; ++i) {
        if (held == k && !larger(x[i], values[k - 1])) continue;
        int64_t at = held < k ? held++ : k - 1;
        for (; at > 0 && larger(x[i], values[at - 1]); --at) {
            values[at] = values[at - 1];
            ids[at] = ids[at - 1];
        }
        values[at] = x[i];
        ids[at] = static_cast<int32_t>(i);
    }
}

Status launch(const Launch & l) {
    const int64_t n = l.in(0).ne(0), k = l.params<TopKParams>().k;
    const float * x = l.x(0);
    float * values = l.y(0);
    auto *ids = static_cast<int32_t *>(l.out[1]), *places = static_cast<int32_t *>(l.out[2]);
    split_rows(device_of(l).pool, l.in(0).shape.rows(), n, [=](int64_t first, int64_t last) {
        for (int64_t row = first; row < last; ++row) {
            best_of_row(x + row * n, n, k, values + row * k, ids + row * k);
            for (int64_t i = row * k; i < (row + 1) * k; ++i) places[i] = static_cast<int32_t>(row * n) + ids[i];
        }
    });
    return {};
}

}  // namespace

const Kernel kernel::top_k = {launch};

}  // namespace ql::cpu
