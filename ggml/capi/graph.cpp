// Graphs and their leaves: the shims of ql/graph.h.
#include "ql/graph.h"

#include "common/guarded.hpp"
#include "common/structs.hpp"
#include "ggml/graph/build.hpp"
#include "ql/dtypes.hpp"

using namespace ql;

namespace {

/// What a program fills before a run: numbers and ids, not weights' blocks.
bool is_input_type(ql_dtype dtype) {
    return dtype == QL_F32 || dtype == QL_F16 || dtype == QL_BF16 || dtype == QL_I32;
}

}  // namespace

extern "C" {

ql_status ql_graph_create(ql_graph ** graph) {
    return guarded([&]() -> Status {
        if (!graph) return error(QL_INVALID_ARGUMENT, "ql_graph_create: graph is NULL");
        *graph = nullptr;
        *graph = std::make_unique<ql_graph>().release();
        return {};
    });
}

void ql_graph_free(ql_graph * graph) {
    std::unique_ptr<ql_graph> owned(graph);
}

ql_status ql_graph_status(const ql_graph * graph) {
    return guarded([&]() -> Status {
        if (!graph) return error(QL_INVALID_ARGUMENT, "ql_graph_status: the graph is NULL");
        return graph->status();
    });
}

int64_t ql_graph_n_nodes(const ql_graph * graph) {
    return graph ? static_cast<int64_t>(graph->nodes().size()) : 0;
}

ql_status ql_graph_set_place(ql_graph * graph, int place) {
    return guarded([&]() -> Status {
        if (!graph) return error(QL_INVALID_ARGUMENT, "ql_graph_set_place: the graph is NULL");
        if (place < 0)
            return error(QL_INVALID_ARGUMENT, "ql_graph_set_place: the place is %d, it must be 0 or more", place);
        graph->set_place(place);
        return {};
    });
}

ql_tensor * ql_input(ql_graph * g, const char * name, ql_dtype dtype, int n_dims, const int64_t * ne) {
    return build(g, [&, dtype = dtype_of_caller(dtype)]() -> ql_tensor * {
        if (!is_input_type(dtype)) {
            const char * type = ql_dtype_name(dtype);
            return g->fail(error(QL_BAD_DTYPE, "input '%s': type %s; %s are possible", name ? name : "",
                                 type ? type : "unknown", dtype_names(is_input_type).c_str())),
                   nullptr;
        }
        return g->leaf(TensorKind::input, name, dtype, n_dims, ne, nullptr);
    });
}

ql_tensor * ql_weight(ql_graph * g, const char * name, ql_dtype dtype, int n_dims, const int64_t * ne,
                      const void * data) {
    return build(
        g, [&, dtype = dtype_of_caller(dtype)] { return g->leaf(TensorKind::weight, name, dtype, n_dims, ne, data); });
}

ql_tensor * ql_param(ql_graph * g, const char * name, int n_dims, const int64_t * ne) {
    return build(g, [&] { return g->leaf(TensorKind::param, name, QL_F32, n_dims, ne, nullptr); });
}

ql_tensor * ql_state(ql_graph * g, const char * name, ql_dtype dtype, int n_dims, const int64_t * ne) {
    return build(g, [&, dtype = dtype_of_caller(dtype)] {
        return g->leaf(TensorKind::state, name, dtype, n_dims, ne, nullptr);
    });
}

}  // extern "C"
