// Attention and its gradient: a group takes some queries of a head, or some keys for the gradients of keys and values, and
// passes over the others in tiles of shared memory; for few queries, a group takes one. Each number is summed by one invocation
// in a fixed order.
#include <algorithm>

#include "backends/vulkan/ops/dispatch.hpp"
#include "ggml/ops/attention.hpp"

namespace ql::vulkan {
namespace {

constexpr int64_t kMostHead = 256, kMostGroups = 65535, kFewQueries = 7;

/// Rows of a group's own and of a tile of the others, as attention_tiles.glsl has them.
struct Tiles {
    uint32_t own, other, step;
    uint32_t groups(int64_t rows) const { return static_cast<uint32_t>((rows + own - 1) / own); }
};
/// The largest ones that a device's shared memory holds; more than 32 KiB keep groups from running side by side.
/// copies    of each row: 1, or 2 of both kinds for the gradient
Tiles tiles_of(const Launch & l, int64_t d, uint32_t copies) {
    constexpr uint32_t kSizes[][2] = {{16, 32}, {16, 16}, {8, 16}, {8, 8}, {8, 4}, {4, 4}}, kSmall = 2048;
    const uint32_t room = std::min<uint32_t>(device_of(l).shared_bytes(), 32 << 10),
                   step = static_cast<uint32_t>(d) + 1;
    for (const auto & [own, other] : kSizes)
        if (4 * copies * ((own + other) * step + own * other) + kSmall <= room) return {own, other, step};
    return {4, 4, step};  // limits.cpp: every device has room for these
}

struct HeadsPush {
    int32_t d, n_heads, n_kv, n_tokens, n_keys;
    float scale, cap;
};
HeadsPush heads_of(const Launch & l) {
    const auto p = l.params<AttentionParams>();
    return {number(l.in(0).ne(0)),
            number(l.in(0).ne(1)),
            number(l.in(1).ne(1)),
            number(l.in(0).ne(2)),
            number(count_keys(l.node)),
            p.scale,
            p.cap};
}

Status takes(const Node & n) {
    const Shape & q = n.src[0]->shape;
    if (q[0] > kMostHead)
        return error(QL_UNSUPPORTED, "no Vulkan kernel takes heads of more than %lld numbers",
                     static_cast<long long>(kMostHead));
    if (q[1] > kMostGroups || q[2] > kMostGroups || count_keys(n) > kMostGroups)
        return error(QL_UNSUPPORTED, "no Vulkan attention takes more than %lld heads, queries or keys",
                     static_cast<long long>(kMostGroups));
    return {};
}

struct AttentionPush {
    Address q, k, v, span, pages, o, lse;
    HeadsPush h;
    int32_t n_pages, page_bits;
};
Status attention(const Launch & l) {
    const bool paged = has_pages(l.node);
    const HeadsPush h = heads_of(l);
    AttentionPush push{source(l, 0),
                       source(l, 1),
                       source(l, 2),
                       source(l, 3),
                       paged ? source(l, kPageTable) : 0,
                       result(l, 0),
                       result(l, 1),
                       h,
                       0,
                       0};
    if (paged)
        push.n_pages = number(l.in(1).ne(3)), push.page_bits = std::countr_zero(static_cast<uint64_t>(l.in(1).ne(2)));
    if (h.n_tokens == 0) return {};
    const auto heads = static_cast<uint32_t>(h.n_heads);
    if (h.n_tokens <= kFewQueries)
        return dispatch(l, shader::attention, push, {static_cast<uint32_t>(h.n_tokens), heads},
                        {numbers_of(l.in(1)), paged});
    const Tiles tiles = tiles_of(l, h.d, 1);
    return dispatch(l, shader::attention_tile, push, {tiles.groups(h.n_tokens), heads},
                    {tiles.own, tiles.other, tiles.step, numbers_of(l.in(1)), paged});
}

struct QueryGradientPush {
    Address q, k, v, o, lse, d_o, span, dq, c;
    HeadsPush h;
};
struct KeyGradientPush {
    Address q, k, v, lse, d_o, span, dk, dv, c;
    HeadsPush h;
};
/// c [H, T]: do . o
size_t back_scratch(const Node & n, const DeviceImpl &) {
    return static_cast<size_t>(n.src[4]->shape.elements()) * sizeof(float);
}
/// Sources q, k, v, o, lse, do, span.
Status attention_back(const Launch & l) {
    const HeadsPush h = heads_of(l);
    const Address c = at(l, l.scratch);
    const QueryGradientPush query{source(l, 0),
                                  source(l, 1),
                                  source(l, 2),
                                  source(l, 3),
                                  source(l, 4),
                                  source(l, 5),
                                  source(l, 6),
                                  result(l, 0),
                                  c,
                                  h};
    const Tiles tiles = tiles_of(l, h.d, 2);
    if (h.n_tokens > 0)
        QL_TRY(dispatch(l, shader::attention_dq, query, {tiles.groups(h.n_tokens), static_cast<uint32_t>(h.n_heads)},
                        {tiles.own, tiles.other, tiles.step}));
    const KeyGradientPush key{source(l, 0),
                              source(l, 1),
                              source(l, 2),
                              source(l, 4),
                              source(l, 5),
                              source(l, 6),
                              result(l, 1),
                              result(l, 2),
                              c,
                              h};
    if (h.n_keys == 0) return {};
    return dispatch(l, shader::attention_dkv, key, {tiles.groups(h.n_keys), static_cast<uint32_t>(h.n_kv)},
                    {tiles.own, tiles.other, tiles.step});
}

}  // namespace

const Kernel kernel::attention = row<::ql::vulkan::attention, takes>();
const Kernel kernel::attention_back = row<::ql::vulkan::attention_back, takes>(back_scratch);
}  // namespace ql::vulkan
