// Mean negative log-likelihood of texts and datasets, through the same step that training evaluates with.
#pragma once
#include <string_view>

#include "models/data/dataset.hpp"
#include "models/infer/applied_adapter.hpp"

namespace ql {

struct Likelihood {
    double nll = 0;  // mean, nats
    int64_t tokens = 0;
};

Result<Likelihood> evaluate_text(const Model & model, ql_device * device, std::span<const AppliedAdapter> adapters,
                                 std::string_view text, int64_t ctx, int64_t stride);
Result<Likelihood> evaluate_dataset(const Model & model, ql_device * device, std::span<const AppliedAdapter> adapters,
                                    const Dataset & data, int64_t ctx);

}  // namespace ql
