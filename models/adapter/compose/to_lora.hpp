// A plain LoRA in place of another kind, for programs that know no other.
#pragma once
#include "models/adapter/compose/reduce.hpp"
#include "models/model/model.hpp"

namespace ql {

struct ToLoraOptions {
    int64_t rank = 0;  // of a DoRA's matrices, at most; 0: the matrix's own
    int threads = 1;
};

/// LoRA and MiSS stay as they are, as s B A is all that they add. A DoRA's change of its weight, c (W + s B A) - W, has no low
/// rank: each becomes the best approximation of it (Eckart, Young 1936), and its error is told. One change in memory for each
/// of some threads.
/// errors   QL_UNSUPPORTED: trained norms, which no LoRA holds; QL_INVALID_ARGUMENT: the rank
Result<Adapter> to_lora(const Adapter & adapter, const Model & base, const ToLoraOptions & options,
                        const OnChange & on_change);

}  // namespace ql
