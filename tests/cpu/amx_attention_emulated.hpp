// Attention and its gradients on tile registers in plain C++ (amx_emulated.hpp), as rows of the backend's table.
#pragma once
#include "ggml/backend/backend.hpp"

namespace ql::cpu {

/// As kernel::attention and kernel::attention_back on a device with AMX; on one of f32, since what does not go through
/// tiles is theirs.
extern const Kernel attention_emulated, attention_back_emulated;

}  // namespace ql::cpu
