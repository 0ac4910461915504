// How the C builders call into the graph: without a graph there is no node, and no exception leaves.
#pragma once
#include "common/structs.hpp"
#include "ggml/graph/graph.hpp"

namespace ql {

/// Runs `body`, which appends to g; NULL if g is NULL or the body threw, in which case the graph keeps the error.
template <typename Body>
ql_tensor * build(ql_graph * g, Body && body) noexcept {
    if (!g) return nullptr;
    try {
        return body();
    } catch (...) {
        try {
            g->fail(error(QL_NO_MEMORY, "graph: out of memory"));
        } catch (...) {  // no memory even for the message
        }
        return nullptr;
    }
}

}  // namespace ql
