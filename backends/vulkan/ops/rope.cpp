// rope: pairs are turned by angles of a table, which rope_table makes.
#include <cmath>
#include <numbers>

#include "backends/vulkan/ops/dispatch.hpp"
#include "ggml/ops/params.hpp"
#include "ql/ops.h"

namespace ql::vulkan {
namespace {

constexpr int kPowers = 8;

/// A part of a turn, as rope_table.comp counts it.
struct Turns {
    uint32_t low, high;
};
Turns turns(double part) {
    const uint64_t whole = part < 1 ? static_cast<uint64_t>(std::ldexp(part, 64)) : UINT64_MAX;
    return {static_cast<uint32_t>(whole), static_cast<uint32_t>(whole >> 32)};
}

struct RopeTablePush {
    Address positions, factors, table;
    Turns powers[kPowers], turn;
    int32_t n, n_pairs;
    float magnitude;
};
Status rope_table(const Launch & l) {
    const auto p = l.params<RopeTableParams>();
    RopeTablePush push{source(l, 0),
                       source(l, 1),
                       result(l, 0),
                       {},
                       turns(static_cast<double>(p.scale) / (2 * std::numbers::pi)),
                       number(p.n_rot / 2 * l.in(0).ne(0)),
                       p.n_rot / 2,
                       p.magnitude};
    for (int j = 0; j < kPowers; ++j)
        push.powers[j] = turns(std::pow(static_cast<double>(p.base), -2.0 * (1 << j) / p.n_rot));
    return each_element(l, shader::rope_table, push, push.n, {l.has(1)});
}
/// What 64 bits behind the point hold.
Status expect_slow_turns(const Node & n) {
    const auto p = n.params.as<RopeTableParams>();
    if (p.base >= 1 && p.scale >= 0 && p.scale < 6 && p.n_rot <= 2 << kPowers) return {};
    return error(QL_UNSUPPORTED,
                 "rope_table: no Vulkan kernel takes a base below 1, a scale below 0 or above 6, or %d pairs",
                 p.n_rot / 2);
}

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

const Kernel kernel::rope_table = row<::ql::vulkan::rope_table, expect_slow_turns>();
const Kernel kernel::rope = row<::ql::vulkan::rope>();
}  // namespace ql::vulkan
