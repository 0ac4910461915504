// extern "C": the table of operators and their benchmarks (ql/selftest.h).
#include "common/guarded.hpp"
#include "common/structs.hpp"
#include "ggml/plan/plan.hpp"
#include "ggml/selftest/reference_run.hpp"
#include "ql/selftest.h"

struct ql_op_bench {
    std::unique_ptr<ql::selftest::CaseGraph> graph;
    std::unique_ptr<ql_plan> plan;
};

namespace ql {
namespace {

constexpr uint64_t kBenchSeed = 42;

/// A size at which every operator has tensors, in whole blocks of every type.
constexpr BenchSize kAnySize = {QL_Q8_0, 256, 256, 1};

bool has_weight(const OpDef & def) {
    const Result<Case> c = def.bench(kAnySize);
    return c.ok() && std::any_of(c->in.begin(), c->in.end(), [](const CaseInput & in) { return in.dtype == QL_Q8_0; });
}

Result<const OpDef *> find_op(const char * name) {
    for (const OpDef * def : kOps)
        if (name && def->name == name) return def;
    return error(QL_NOT_FOUND, "op: '%s' is unknown", name ? name : "");
}

Status check_size(const BenchSize & s) {
    constexpr int64_t kMost = int64_t{1} << 20;
    for (const int64_t n : {s.k, s.m, s.t})
        if (n < 1 || n > kMost)
            return error(QL_BAD_SHAPE, "op: a size of %lld; 1 to %lld are possible", static_cast<long long>(n),
                         static_cast<long long>(kMost));
    const int64_t block = ql_dtype_block_length(s.dtype);
    if (block == 0) return error(QL_BAD_DTYPE, "op: unknown type %d", static_cast<int>(s.dtype));
    return {};
}

/// Rows of a weight are whole blocks. The graph checks this too, but would name a tensor that the caller does not know.
Status check_case(const Case & c) {
    for (const CaseInput & in : c.in) {
        if (const int64_t block = ql_dtype_block_length(in.dtype); in.shape[0] % block)
            return error(QL_BAD_SHAPE, "rows of %lld do not fit %s's blocks of %lld",
                         static_cast<long long>(in.shape[0]), ql_dtype_name(in.dtype), static_cast<long long>(block));
    }
    return {};
}

Result<std::unique_ptr<selftest::CaseGraph>> make_graph(const OpDef & def, const Case & c) {
    try {
        return std::make_unique<selftest::CaseGraph>(def, c, kBenchSeed);
    } catch (const std::runtime_error & refused) {  // by a shape rule: the operator has no tensors of such a size
        return error(QL_BAD_SHAPE, "%s", refused.what());
    }
}

Status fill(selftest::CaseGraph & graph) {
    for (size_t i = 0; i < graph.leaves.size(); ++i) {
        if (graph.inputs[i].kind == TensorKind::weight) continue;
        const selftest::AlignedBytes bytes(graph.leaves[i]->bytes());
        QL_TRY(selftest::fill_input(graph.inputs[i], kBenchSeed + i, bytes.data()));
        if (ql_tensor_write(graph.leaves[i], bytes.data(), 0, graph.leaves[i]->bytes()) != QL_OK)
            return error(QL_INTERNAL, "op: %s", ql_error_message());
    }
    return {};
}

Result<std::unique_ptr<ql_op_bench>> make_bench(ql_device & device, const char * op, const BenchSize & size) {
    QL_ASSIGN(const OpDef * def, find_op(op));
    QL_TRY(check_size(size));
    QL_ASSIGN(const Case c, def->bench(size));
    QL_TRY(check_case(c));
    auto bench = std::make_unique<ql_op_bench>();
    QL_ASSIGN(bench->graph, make_graph(*def, c));
    ql_device * const devices[] = {&device};
    std::vector<ql_tensor *> outputs;
    for (size_t i = 0; i < bench->graph->out->producer->out.size(); ++i)
        outputs.push_back(bench->graph->out->producer->result(i));
    QL_ASSIGN(bench->plan, ql_plan::create(bench->graph->graph, devices, outputs));
    QL_TRY(fill(*bench->graph));
    return bench;
}

}  // namespace
}  // namespace ql

extern "C" {

int64_t ql_op_count(void) {
    return static_cast<int64_t>(ql::kOpCount);
}

ql_status ql_op_describe(int64_t i, ql_op_info * info) {
    return ql::guarded([&]() -> ql::Status {
        if (i < 0 || i >= ql_op_count())
            return ql::error(QL_INVALID_ARGUMENT, "ql_op_describe: no operator %lld of %zu", static_cast<long long>(i),
                             ql::kOpCount);
        const ql::OpDef & def = *ql::kOps[i];
        return ql::give_struct(info, {sizeof(*info), def.name.data(), def.formula.data(), ql::has_weight(def)});
    });
}

ql_status ql_op_bench_create(ql_device * device, const char * op, ql_dtype dtype, int64_t k, int64_t m, int64_t t,
                             ql_op_bench ** bench) {
    return ql::guarded([&]() -> ql::Status {
        if (!device || !bench) return ql::error(QL_INVALID_ARGUMENT, "ql_op_bench_create: an argument is NULL");
        *bench = nullptr;
        QL_ASSIGN(auto made, ql::make_bench(*device, op, {ql::dtype_of_caller(dtype), k, m, t}));
        *bench = made.release();
        return {};
    });
}

ql_plan * ql_op_bench_plan(ql_op_bench * bench) {
    return bench ? bench->plan.get() : nullptr;
}

void ql_op_bench_free(ql_op_bench * bench) {
    delete bench;
}

}  // extern "C"
