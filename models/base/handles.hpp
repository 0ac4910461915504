// Owning pointers to the engine's C objects.
#pragma once
#include <memory>

#include "ql/os.h"
#include "ql/ql.h"

namespace ql {

struct GraphFree {
    void operator()(ql_graph * g) const { ql_graph_free(g); }
};
struct PlanFree {
    void operator()(ql_plan * p) const { ql_plan_free(p); }
};
struct GgufClose {
    void operator()(ql_gguf * f) const { ql_gguf_close(f); }
};
struct GgufWriterFree {
    void operator()(ql_gguf_writer * w) const { ql_gguf_writer_free(w); }
};
using GraphPtr = std::unique_ptr<ql_graph, GraphFree>;
using PlanPtr = std::unique_ptr<ql_plan, PlanFree>;
using GgufFile = std::unique_ptr<ql_gguf, GgufClose>;
using GgufWriterPtr = std::unique_ptr<ql_gguf_writer, GgufWriterFree>;

struct OsUnmap {
    void operator()(ql_os_map * m) const { ql_os_unmap_file(m); }
};
using OsMap = std::unique_ptr<ql_os_map, OsUnmap>;

}  // namespace ql
