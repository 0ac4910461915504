// Operators that move elements, and rows by number.
#include "backends/vulkan/ops/dispatch.hpp"
#include "ggml/ops/moves.hpp"
#include "ggml/ops/params.hpp"

namespace ql::vulkan {
namespace {

struct MovePush {
    Address from, to;
    int32_t n, first_from, first_to, ne[3], from_step[4], to_step[4];
};
Status move(const Launch & l, const Move & m) {
    MovePush push{
        source(l, m.source), result(l, 0), number(m.shape.elements()), number(m.from), number(m.to), {}, {}, {}};
    for (int d = 0; d < 3; ++d) push.ne[d] = number(m.shape[d]);
    for (size_t d = 0; d < 4; ++d)
        push.from_step[d] = number(m.from_strides[d]), push.to_step[d] = number(m.to_strides[d]);
    return each_element(l, shader::move, push, push.n, {static_cast<uint32_t>(ql_dtype_bytes(l.in(0).dtype, 1))});
}
template <Move (*what)(const Node &)>
Status moved(const Launch & l) {
    return move(l, what(l.node));
}
Status padded(const Launch & l) {
    QL_TRY(kernel::zero.launch(l));
    return move(l, pad_move(l.node));
}
Status joined(const Launch & l) {
    QL_TRY(move(l, concat_move(l.node, 0)));
    return move(l, concat_move(l.node, 1));
}

/// The result is the source's bytes.
Status reshaped(const Launch &) {
    return {};
}

struct GatherPush {
    Address x, ids, y;
    int32_t n, width, n_rows;
};
Status gather_rows(const Launch & l) {
    const GatherPush push{source(l, 0),          source(l, 1),         result(l, 0), elements(*l.node.out[0]),
                          number(l.in(0).ne(0)), number(l.in(0).ne(1))};
    return each_element(l, shader::gather_rows, push, push.n, {numbers_of(l.in(0))});
}

struct ScatterPush {
    Address x, ids, y;
    int32_t n, width, n_rows, n_ids;
};
Status scatter_add_rows(const Launch & l) {
    const ScatterPush push{source(l, 0),          source(l, 1),
                           result(l, 0),          elements(*l.node.out[0]),
                           number(l.in(0).ne(0)), number(l.params<ScatterAddRowsParams>().n_rows),
                           number(l.in(0).ne(1))};
    return each_element(l, shader::scatter_add_rows, push, push.n, {numbers_of(l.in(0))});
}

struct StorePush {
    Address rows, ids, cache;
    int32_t n, width, n_cache;
};
Status kv_store(const Launch & l) {
    const StorePush push{source(l, 1),      source(l, 2),          result(l, 0),
                         elements(l.in(1)), number(l.in(0).ne(0)), number(l.in(0).ne(1))};
    return each_element(l, shader::kv_store, push, push.n, {l.in(0).dtype == QL_F16});
}

}  // namespace

const Kernel kernel::slice = row<moved<slice_move>>();
const Kernel kernel::permute = row<moved<permute_move>>();
const Kernel kernel::expand = row<moved<expand_move>>();
const Kernel kernel::pad = row<padded>();
const Kernel kernel::concat = row<joined>();
const Kernel kernel::reshape = {.launch = reshaped};
const Kernel kernel::gather_rows = row<::ql::vulkan::gather_rows>();
const Kernel kernel::scatter_add_rows = row<::ql::vulkan::scatter_add_rows>();
const Kernel kernel::kv_store = row<::ql::vulkan::kv_store>();
}  // namespace ql::vulkan
