// Choosing the next token from logits. All numbers drawn are functions of (seed, stream, position).
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "ql/generate.h"
#include "ql/status.hpp"

namespace ql {

Status check_sampling(const ql_sampling & s);

/// log(sum(exp(logits))), in f64. Not finite if a logit is NaN.
double log_sum_exp(std::span<const float> logits);

/// The n most probable tokens with their log-probabilities, best first (ties: lower id first).
std::vector<ql_logprob> top_logprobs(std::span<const float> logits, int n);

/// The next token: repeat penalty over `recent`, temperature, top-k, top-p and min-p in this order, then one draw.
/// stream: of the random numbers; texts that grow side by side have one each.
int32_t sample(std::span<const float> logits, std::span<const int32_t> recent, const ql_sampling & s, int64_t position,
               int64_t stream = 0);

}  // namespace ql
