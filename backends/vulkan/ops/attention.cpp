// Attention and its gradient: a group takes a head of a query, or of a key for the gradients of keys and values. Each number
// is summed by one invocation in a fixed order.
#include "backends/vulkan/ops/dispatch.hpp"
#include "ggml/ops/attention.hpp"

namespace ql::vulkan {
namespace {

constexpr int64_t kMostHead = 256, kMostGroups = 65535;

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
    return dispatch(l, shader::attention, push, {static_cast<uint32_t>(h.n_tokens), static_cast<uint32_t>(h.n_heads)},
                    {numbers_of(l.in(1)), paged});
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
    if (h.n_tokens > 0)
        QL_TRY(dispatch(l, shader::attention_dq, query,
                        {static_cast<uint32_t>(h.n_tokens), static_cast<uint32_t>(h.n_heads)}));
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
    return dispatch(l, shader::attention_dkv, key, {static_cast<uint32_t>(h.n_keys), static_cast<uint32_t>(h.n_kv)});
}

}  // namespace

const Kernel kernel::attention = row<::ql::vulkan::attention, takes>();
const Kernel kernel::attention_back = row<::ql::vulkan::attention_back, takes>(back_scratch);
}  // namespace ql::vulkan
