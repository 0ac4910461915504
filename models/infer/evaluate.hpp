// Mean negative log-likelihood of texts and datasets, through the same step that training evaluates with.
#pragma once
#include <functional>
#include <string_view>

#include "models/data/dataset.hpp"
#include "models/infer/applied_adapter.hpp"

namespace ql {

struct Likelihood {
    double nll = 0;  // mean, nats
    int64_t tokens = 0;
};

/// Told the mean so far after `done` of n windows; an error stops the evaluation.
using OnWindow = std::function<Status(const Likelihood & so_far, int64_t done, int64_t n)>;

Result<Likelihood> evaluate_text(const Model & model, ql_device * device, std::span<const AppliedAdapter> adapters,
                                 std::string_view text, int64_t ctx, int64_t stride, const OnWindow & on_window = {});
Result<Likelihood> evaluate_dataset(const Model & model, ql_device * device, std::span<const AppliedAdapter> adapters,
                                    const Dataset & data, int64_t ctx, const OnWindow & on_window = {});

}  // namespace ql
