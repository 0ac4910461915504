// The operators' builders of ql/ops.h: each hands its arguments to the graph, whose shape rules check them.
#include "ql/ops.h"

#include "ggml/capi/build.hpp"
#include "ggml/ops/params.hpp"

using namespace ql;

extern "C" {

ql_tensor * ql_add(ql_graph * g, ql_tensor * a, ql_tensor * b) {
    return build(g, [&] { return g->emit(op::add, {a, b}); });
}

ql_tensor * ql_reshape(ql_graph * g, ql_tensor * x, int n_dims, const int64_t * ne) {
    return build(g, [&]() -> ql_tensor * {
        if (n_dims < 1 || n_dims > QL_MAX_DIMS || !ne)
            return g->fail(error(QL_BAD_SHAPE, "reshape: %d dimensions, 1 to 4 are possible", n_dims)), nullptr;
        ReshapeParams params;
        for (int i = 0; i < n_dims; ++i) params.shape.ne[static_cast<size_t>(i)] = ne[i];
        return g->emit(op::reshape, {x}, params);
    });
}

ql_tensor * ql_get_rows(ql_graph * g, ql_tensor * table, ql_tensor * ids) {
    return build(g, [&] { return g->emit(op::get_rows, {table, ids}); });
}

ql_tensor * ql_rms_norm(ql_graph * g, ql_tensor * x, ql_tensor * w, float eps) {
    return build(g, [&] { return g->emit(op::rms_norm, {x, w}, RmsNormParams{eps}); });
}

ql_tensor * ql_mul_mat(ql_graph * g, ql_tensor * w, ql_tensor * x) {
    return build(g, [&] { return g->emit(op::mul_mat, {w, x}); });
}

ql_tensor * ql_mul_mat_t(ql_graph * g, ql_tensor * w, ql_tensor * y) {
    return build(g, [&] { return g->emit(op::mul_mat_t, {w, y}); });
}

ql_tensor * ql_outer(ql_graph * g, ql_tensor * x, ql_tensor * y) {
    return build(g, [&] { return g->emit(op::outer, {x, y}); });
}

ql_tensor * ql_lora(ql_graph * g, ql_tensor * y, ql_tensor * x, ql_tensor * a, ql_tensor * b, float s) {
    return build(g, [&] { return g->emit(op::lora, {y, x, a, b}, LoraParams{s}); });
}

ql_tensor * ql_dropout(ql_graph * g, ql_tensor * x, ql_tensor * key, float p, int stream) {
    return build(g, [&] { return g->emit(op::dropout, {x, key}, DropoutParams{p, stream}); });
}

ql_tensor * ql_rope_table(ql_graph * g, ql_tensor * pos, ql_tensor * factors, int n_rot, float base, float scale,
                          float m) {
    return build(g, [&] { return g->emit(op::rope_table, {pos, factors}, RopeTableParams{n_rot, base, scale, m}); });
}

ql_tensor * ql_rope(ql_graph * g, ql_tensor * x, ql_tensor * table, ql_rope_mode mode) {
    return build(g, [&] { return g->emit(op::rope, {x, table}, RopeParams{enum_number(mode), 0}); });
}

ql_tensor * ql_attention(ql_graph * g, ql_tensor * q, ql_tensor * k, ql_tensor * v, ql_tensor * span, float scale) {
    return build(g, [&] { return g->emit(op::attention, {q, k, v, span}, AttentionParams{scale}); });
}

ql_tensor * ql_kv_store(ql_graph * g, ql_tensor * cache, ql_tensor * rows, ql_tensor * index) {
    return build(g, [&] { return g->emit(op::kv_store, {cache, rows, index}); });
}

ql_tensor * ql_swiglu(ql_graph * g, ql_tensor * gate, ql_tensor * up) {
    return build(g, [&] { return g->emit(op::swiglu, {gate, up}); });
}

ql_tensor * ql_head_loss(ql_graph * g, ql_tensor * x, ql_tensor * w, ql_tensor * target, ql_tensor * weight,
                         ql_tensor ** nll) {
    ql_tensor * loss = build(g, [&] { return g->emit(op::head_loss, {x, w, target, weight}); });
    if (nll) *nll = loss ? loss->producer->result(1) : nullptr;
    return loss;
}

}  // extern "C"
