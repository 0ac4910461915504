// Mean negative log-likelihood of texts and datasets, through the same step that training evaluates with.
#pragma once
#include <functional>
#include <string_view>

#include "models/data/dataset.hpp"
#include "models/data/pack.hpp"
#include "models/infer/applied_adapter.hpp"
#include "ql/engine.h"

namespace ql {

struct Likelihood {
    double nll = 0;  // mean, nats
    int64_t tokens = 0;
};

/// Told what is planned, before anything runs; an error stops the evaluation.
using OnPlan = std::function<Status(const ql_inference_info & info)>;

/// How an evaluation may use memory. None of it changes a bit of the result.
struct EvaluateMemory {
    uint64_t memory = 0;  // bytes that the process may take; 0: no limit
    OnPlan on_plan = {};
};

/// Told the mean so far after `done` of n windows; an error stops the evaluation.
using OnWindow = std::function<Status(const Likelihood & so_far, int64_t done, int64_t n)>;

/// Told of a dataset's sample, once its window is done: the sum over its tokens, and how many these are.
using OnSample = std::function<void(int64_t sample, const Likelihood & sum)>;

/// The windows of an evaluation, by their number.
struct Windows {
    int64_t n = 0, ctx = 0;
    std::function<PackedSequence(int64_t i)> at;
};
/// Told the losses of window i, at the tokens before those that they are of.
using OnLosses = std::function<void(int64_t i, const std::vector<float> & losses)>;

/// The sum, and how many tokens it is of; as many windows at once as fit, added up in order.
Result<Likelihood> evaluate_windows(const Model & model, ql_device * device, std::span<const AppliedAdapter> adapters,
                                    const Windows & windows, const OnWindow & on_window, const EvaluateMemory & memory,
                                    const OnLosses & on_losses = {});
/// The mean of a sum.                                             errors  QL_NON_FINITE: it is no number
Result<Likelihood> mean_likelihood(Likelihood sum);

/// errors  QL_INVALID_ARGUMENT: not 2 to the model's context
Status check_context(const Model & model, int64_t ctx);

Result<Likelihood> evaluate_text(const Model & model, ql_device * device, std::span<const AppliedAdapter> adapters,
                                 std::string_view text, int64_t ctx, int64_t stride, const OnWindow & on_window = {},
                                 const EvaluateMemory & memory = {});
/// As llama-perplexity counts (QL_COUNT_LLAMA_CPP).      errors  QL_INVALID_ARGUMENT: the text does not fill a window
Result<Likelihood> evaluate_text_as_llama_cpp(const Model & model, ql_device * device,
                                              std::span<const AppliedAdapter> adapters, std::string_view text,
                                              int64_t ctx, const OnWindow & on_window = {},
                                              const EvaluateMemory & memory = {});
Result<Likelihood> evaluate_dataset(const Model & model, ql_device * device, std::span<const AppliedAdapter> adapters,
                                    const Dataset & data, int64_t ctx, const OnWindow & on_window = {},
                                    const EvaluateMemory & memory = {}, const OnSample & on_sample = {});

}  // namespace ql
