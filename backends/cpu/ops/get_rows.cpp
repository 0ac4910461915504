// y[:, t] = table[:, ids[t]]: a row decoded for each token; the tokens are split over the threads.
#include <algorithm>
#include <limits>

#include "backends/cpu/device.hpp"
#include "backends/cpu/products/decode.hpp"

namespace ql::cpu {
namespace {

Status launch_get_rows(const Launch & l) {
    const Weight table = weight_of(l.in(0), l.src[0]);
    const SpanDecoder decode = span_decoder(table.dtype);
    device_of(l).pool.run(l.in(1).ne(0), [&](int64_t t, int) {
        const int64_t id = l.ids(1)[t];
        float * y = l.y(0) + t * table.k;
        if (id >= 0 && id < table.m)
            decode(table, id * table.k, table.k, y);
        else
            std::fill_n(y, table.k, std::numeric_limits<float>::quiet_NaN());
    });
    return {};
}

}  // namespace

const Kernel kernel::get_rows = {launch_get_rows};
}  // namespace ql::cpu
