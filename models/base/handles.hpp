// Owning pointers to the engine's C objects.
#pragma once
#include <memory>

#include "ql/ql.h"

namespace ql {

struct GraphFree {
    void operator()(ql_graph * g) const { ql_graph_free(g); }
};
struct PlanFree {
    void operator()(ql_plan * p) const { ql_plan_free(p); }
};
struct GgufWriterFree {
    void operator()(ql_gguf_writer * w) const { ql_gguf_writer_free(w); }
};
using GraphPtr = std::unique_ptr<ql_graph, GraphFree>;
using PlanPtr = std::unique_ptr<ql_plan, PlanFree>;
using GgufWriterPtr = std::unique_ptr<ql_gguf_writer, GgufWriterFree>;

}  // namespace ql
