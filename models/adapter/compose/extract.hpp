// The difference of two models as an adapter.
#pragma once
#include "models/adapter/compose/reduce.hpp"
#include "models/model/model.hpp"

namespace ql {

struct ExtractOptions {
    int64_t rank = 16;
    int threads = 1;
};

/// For each weight that an adapter may change, the best approximation at a rank of its difference, tuned - base; one
/// difference in memory for each of some threads.
/// on_change  is also told of weights that differ and that no adapter holds: their note says so
/// errors   QL_BAD_FILE: models of different architectures, without a linear that differs; QL_BAD_SHAPE; QL_NON_FINITE;
///          QL_INVALID_ARGUMENT: the rank
Result<Adapter> extract_adapter(const Model & base, const Model & tuned, const ExtractOptions & options,
                                const OnChange & on_change);

}  // namespace ql
