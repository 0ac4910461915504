// The builders of ql/optim.h.
#include "ql/optim.h"

#include "ggml/capi/build.hpp"
#include "ggml/ops/params.hpp"

using namespace ql;

extern "C" {

ql_tensor * ql_accumulate(ql_graph * g, ql_tensor * sum, ql_tensor * x) {
    return build(g, [&] { return g->emit(op::accumulate, {sum, x}); });
}

ql_tensor * ql_zero(ql_graph * g, ql_tensor * x) {
    return build(g, [&] { return g->emit(op::zero, {x}); });
}

ql_tensor * ql_global_norm(ql_graph * g, ql_tensor * const * x, int n) {
    return build(g, [&]() -> ql_tensor * {
        if (!x || n < 1) return g->fail(error(QL_INVALID_ARGUMENT, "global_norm: no tensors")), nullptr;
        return g->emit(op::global_norm, std::span<ql_tensor * const>(x, static_cast<size_t>(n)));
    });
}

ql_tensor * ql_adamw(ql_graph * g, ql_tensor * p, ql_tensor * grad, ql_tensor * m, ql_tensor * v, ql_tensor * norm,
                     ql_tensor * hyper, float lr_scale) {
    return build(g, [&] { return g->emit(op::adamw, {p, grad, m, v, norm, hyper}, AdamwParams{lr_scale}); });
}

}  // extern "C"
