// Activated LoRA: an adapter that acts on a sequence's tokens from its invocation on, and leaves the base's keys and values
// before it as they are.                                                                   (Greenewald et al. 2025)
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ql/status.hpp"

namespace ql {

struct Adapter;
class Model;

/// No token of a sequence: it does not hold the invocation.
constexpr int64_t kNever = INT64_MAX;

/// Where the last occurrence of `invocation` in `tokens` begins, kNever without one; 0 for an empty invocation, which is
/// that of an ordinary adapter.
int64_t last_invocation(std::span<const int32_t> tokens, std::span<const int32_t> invocation);

/// For each token of a stream of samples, 1 from the last occurrence in its sample on, else 0. `span` [2, T] has, for each
/// token, the keys of its own sample up to itself.
std::vector<float> activation(std::span<const int32_t> tokens, std::span<const int32_t> span,
                              std::span<const int32_t> invocation);

/// The tokens of a text such as "<|im_start|>assistant\n".        errors  QL_INVALID_ARGUMENT: none, no tokenizer
Result<std::vector<int32_t>> parse_invocation(const Model & model, const std::string & text);

/// That an activated adapter is one of plain LoRA on linears, invoked by tokens of the model.
Status check_invocation(const Adapter & adapter, const Model * model);

}  // namespace ql
