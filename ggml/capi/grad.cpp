// ql_gradients over GradBuilder.
#include "ql/grad.h"

#include "common/guarded.hpp"
#include "ggml/grad/grad.hpp"
#include "ggml/graph/build.hpp"
#include "ggml/ops/op.hpp"

using namespace ql;

extern "C" ql_status ql_gradients(ql_graph * g, ql_tensor * loss, ql_tensor * const * params, int n,
                                  ql_recompute recompute, ql_tensor ** grads) {
    return guarded([&]() -> Status {
        if (!g || !params || n < 1 || !grads)
            return error(QL_INVALID_ARGUMENT, "gradients: a graph, parameters and room for their gradients are needed");
        const auto kind = enum_number(recompute);
        if (kind < QL_RECOMPUTE_NONE || kind > QL_RECOMPUTE_ALL)
            return error(QL_INVALID_ARGUMENT, "gradients: unknown recomputation %d", kind);
        QL_TRY(g->status());
        GradBuilder builder(*g, op::add, recompute);
        QL_TRY(builder.run(loss, std::span<ql_tensor * const>(params, static_cast<size_t>(n))));
        for (int i = 0; i < n; ++i) grads[i] = builder.gradient(params[i]);
        return {};
    });
}
