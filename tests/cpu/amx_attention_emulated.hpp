// Attention and its gradients on tile registers in plain C++ (amx_emulated.hpp), as rows of the backend's table.
#pragma once
#include "ggml/backend/backend.hpp"

namespace ql::cpu {

/// Like kernel::attention and kernel::attention_back on a device with AMX. They run on a device of f32, since its
/// kernels do what does not go through tiles.
extern const Kernel attention_emulated, attention_back_emulated;

}  // namespace ql::cpu
