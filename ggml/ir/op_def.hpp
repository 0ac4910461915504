// What an operator is: one `const OpDef`, with formula, shape rule, backward rule, reference and cases. The operators
// themselves are in ggml/ops, one file each; there is no switch over them anywhere.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "ggml/ir/node.hpp"
#include "ql/status.hpp"
#include "ql/tensor.h"

namespace ql {

class GradBuilder;
struct GraphNode;

enum class Op : uint16_t;  // the operators of ggml/ops/ops.def

/// One result of a node, as the shape rule sees it.
struct OutSpec {
    ql_dtype dtype = QL_F32;
    Shape shape;
    int alias = -1;      // the source whose storage this result IS (reshape; operators that change a state in place)
    int may_reuse = -1;  // the source whose storage the planner may give to this result if nothing reads it later;
                         // kernels of such an operator must work in place
};

/// Arguments of a reference kernel. Real is float, or double for gradient checks (then every f32 tensor holds doubles).
template <typename Real>
struct RefArgs {
    const Node & node;
    const void * const * src;
    void * const * out;

    const Operand & in(int i) const { return *node.src[static_cast<size_t>(i)]; }
    bool has(int i) const {
        return static_cast<size_t>(i) < node.src.size() && node.src[static_cast<size_t>(i)] != nullptr;
    }
    /// An f32 source (as Real) or an f32 result.
    const Real * x(int i) const { return static_cast<const Real *>(src[i]); }
    Real * y(int i) const { return static_cast<Real *>(out[i]); }
    const int32_t * ids(int i) const { return static_cast<const int32_t *>(src[i]); }
    /// A source of any type, decoded (f32: as it is).
    std::vector<Real> decoded(int i) const;
    template <typename P>
    P params() const {
        return node.params.as<P>();
    }
};

/// The window of Fill::windows, in keys: not a multiple of the blocks that kernels cut keys into.
inline constexpr int32_t kCaseWindow = 21;

/// How a conformance case fills an input.
enum class Fill : uint8_t {
    normal,    // N(0, 1)
    small,     // N(0, 0.02)
    layer,     // N(0, 1 / n), n the row length: its product with a row of N(0, 1) is about N(0, 1)
    positive,  // uniform in [0.5, 1.5]
    zero,
    codes,      // i8: any byte
    factors,    // f32 [n, T]: of n adapters, half of them 0; runs of `limit` equal tokens
    ids,        // i32: uniform in [0, limit)
    distinct,   // i32: a permutation's first elements, in [0, limit)
    positions,  // i32: 0, 1, 2 ... restarting now and then
    spans,      // i32 [2, T]: causal ranges of packed segments over S = limit keys; some queries have none
    windows,    // i32 [2, T]: the same, and no query sees more than the last kCaseWindow keys of its range
    causal,     // i32 [2, T]: of one segment, whose last query sees all of S = limit keys
    targets,    // i32: uniform in [0, limit), about one in four negative
    hyper,      // QL_HYPER_* of a tenth AdamW step
    key,        // {seed, seed, step, offset} of dropout
};

struct CaseInput {
    Shape shape;
    Fill fill = Fill::normal;
    ql_dtype dtype = QL_F32;
    int64_t limit = 0;
    TensorKind kind = TensorKind::param;  // weight: frozen; state: changed in place; input
};

/// A shape to test, gradient-check and benchmark an operator at. It is data: running it needs no code of the operator's
/// own.
struct Case {
    const char * name;
    std::vector<CaseInput> in;
    Params params;
};

/// The size at which a user asks to measure an operator.
struct BenchSize {
    ql_dtype dtype;   // of the weight, for operators that have one
    int64_t k, m, t;  // row length, rows of the weight, tokens
};

/// Calls the public builder with NULL and 0 for all arguments but the graph: tests try this with every builder.
template <auto build>
struct Empty;
template <typename... Args, ql_tensor * (*build)(ql_graph *, Args...)>
struct Empty<build> {
    static ql_tensor * call(ql_graph * g) { return build(g, Args{}...); }
};

/// The `flops` of an operator that moves values and computes nothing: 0.
double no_flops(const Node &);

struct OpDef {
    Op number;  // its place in ops.def, for tables indexed by it
    std::string_view name;
    std::string_view formula;
    /// The type of its parameters, params_type<T>(); null: it has none.
    ParamsType params = nullptr;
    /// Empty<ql_NAME>::call; null: no public function builds it, only backward rules or the planner.
    ql_tensor * (*build_empty)(ql_graph *) = nullptr;
    /// Checks the sources and gives the results; messages start with the operator's name.
    Status (*infer)(const Node &, std::vector<OutSpec> &) = nullptr;
    /// Emits the gradient nodes; null only with a reason.
    Status (*backward)(GradBuilder &, const GraphNode &) = nullptr;
    const char * no_grad = nullptr;
    /// Bit i: a gradient can reach source i.
    uint32_t differentiable = 0;
    /// Bit i: the gradient of source i is a rule of its own (straight-through), not the derivative of the result.
    uint32_t straight_through = 0;
    /// Bit i: source i may be absent.
    uint32_t optional = 0;
    /// The result is the first source's bytes under another shape: nothing is read or written.
    bool view = false;
    /// Made of products, whose operands a device that computes in bf16 rounds.
    bool products = false;
    /// Cheap enough to compute again in the backward pass rather than to keep.
    bool cheap = false;
    void (*reference)(const RefArgs<float> &) = nullptr;
    void (*reference64)(const RefArgs<double> &) = nullptr;
    std::vector<Case> (*cases)() = nullptr;
    /// The case to measure at a size: its tensors are as large as in a model of that size.
    Result<Case> (*bench)(const BenchSize &) = nullptr;
    /// Floating-point operations of a run; null: one for each element of the results. flops_of() asks.
    double (*flops)(const Node &) = nullptr;
};

/// Floating-point operations of a run of a node: what its operator counts, or one for each element of the results.
double flops_of(const Node & n);

}  // namespace ql
