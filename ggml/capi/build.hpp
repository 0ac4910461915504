// How the C builders call into the graph: no graph, no node; and no exception leaves.
#pragma once
#include <cstring>

#include "ggml/graph/graph.hpp"

namespace ql {

/// An enumerator's number, read as bytes: a C caller may pass any, and C++ may not load one that is not in the list.
template <typename Enum>
int32_t enum_number(const Enum & value) {
    static_assert(sizeof(Enum) == sizeof(int32_t));
    int32_t number;
    std::memcpy(&number, &value, sizeof number);
    return number;
}

/// Runs `body`, which appends to g; NULL if g is NULL or the body threw, in which case the graph keeps the error.
template <typename Body>
ql_tensor * build(ql_graph * g, Body && body) noexcept {
    if (!g) return nullptr;
    try {
        return body();
    } catch (...) {
        try {
            g->fail(error(QL_NO_MEMORY, "graph: out of memory"));
        } catch (...) {  // not even for the message
        }
        return nullptr;
    }
}

}  // namespace ql
