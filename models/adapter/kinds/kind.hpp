// The kinds of adapters: one file each, and a row in kind.cpp. A kind says which tensors a linear's branch is made of, and
// builds the branch out of them; what trains, saves or applies adapters does not tell kinds apart.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/adapter/kinds/lora_matrix.hpp"
#include "models/graph/branch.hpp"
#include "models/model/weights.hpp"
#include "ql/status.hpp"

namespace ql {

/// A trained tensor of a branch.
struct Part {
    const char * name;                       // the end of its tensor's name: "lora_a"
    std::vector<float> LoraMatrix::*values;  // where the adapter holds it
    std::vector<int64_t> ne;                 // its shape, innermost first
    bool is_up = false;                      // LoRA+ gives what stands after the rank a learning rate of its own
};

struct KindDef {
    LoraKind kind;
    const char * name;        // in options and files
    bool takes_alpha = true;  // false: the scale is the kind's own
    std::vector<Part> (*parts)(const LoraMatrix & matrix);
    /// What the branch also needs to know of the weight, a number a row [m]; null: nothing. The same bits for any
    /// number of threads.
    Result<std::vector<float>> (*rows)(const Weight & weight, int threads) = nullptr;
    /// The branch, trained: leaves are the parts' tensors, in their order, and that of `rows`.
    BranchPtr (*branch)(const LoraMatrix & matrix, std::span<ql_tensor * const> leaves);
    /// What becomes of row i of W + s B A where the weight is merged; null: nothing.
    void (*finish_row)(const LoraMatrix & matrix, int64_t i, float * row) = nullptr;
    /// The trained values that training starts with, where sizes and scale are known and B is zero. Numbers depend on
    /// (seed, weight, element).
    Status (*start)(LoraMatrix & matrix, const Weight & weight, uint64_t seed, int threads);
    /// Gives a matrix the values that are not trained, where sizes are known; null: all are trained. `others` of its
    /// adapter are filled, and may share theirs.
    void (*fill)(LoraMatrix & matrix, std::span<const LoraMatrix> others) = nullptr;
    /// Makes a matrix that came from a file one of this kind, or says why it is none, and fills it; null: nothing is to
    /// be done.
    Status (*adopt)(LoraMatrix & matrix, std::span<const LoraMatrix> others) = nullptr;
};

namespace kind {
extern const KindDef lora, miss, dora;
}

const KindDef & def_of(LoraKind kind);
/// errors  QL_INVALID_ARGUMENT: lists the names
Result<LoraKind> kind_named(std::string_view name);

}  // namespace ql
