// rope: pairs are turned by angles of a table.
#include "backends/vulkan/ops/dispatch.hpp"
#include "ggml/ops/params.hpp"
#include "ql/ops.h"

namespace ql::vulkan {
namespace {

struct RopePush {
    Address x, table, y;
    int32_t n, d, n_heads, n_rot;
    float direction;
};
Status rope(const Launch & l) {
    const auto p = l.params<RopeParams>();
    const Shape & x = l.in(0).shape;
    const int64_t n_rot = l.in(1).ne(0);
    const RopePush push{source(l, 0), source(l, 1), result(l, 0),  number((x[0] - n_rot / 2) * x[1] * x[2]),
                        number(x[0]), number(x[1]), number(n_rot), p.inverse ? -1.0f : 1.0f};
    return each_element(l, shader::rope, push, push.n, {p.mode == QL_ROPE_NEOX});
}

}  // namespace

const Kernel kernel::rope = row<::ql::vulkan::rope>();
}  // namespace ql::vulkan
