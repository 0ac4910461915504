// The tensors of a PEFT directory: "base_model.model.", the path of a module, and one of these endings.
#pragma once
#include <string_view>

namespace ql {

constexpr std::string_view kPeftPrefix = "base_model.model.";
constexpr std::string_view kPeftA = ".lora_A.weight", kPeftB = ".lora_B.weight";  // [r, k] and [m, r], as ours
constexpr std::string_view kPeftMagnitude = ".lora_magnitude_vector";             // [m]
constexpr std::string_view kPeftBlock = ".miss_block";                            // of MiSS: D^T, [r, m]
constexpr std::string_view kPeftWeight = ".weight";                               // of a module that was trained whole
constexpr std::string_view kPeftRows = ".token_adapter.trainable_tokens_delta";   // whole rows, for all that it says

}  // namespace ql
