// How GGUF files say that positions are scaled.
#pragma once
#include "models/files/gguf_keys.hpp"
#include "models/model/hparams.hpp"

namespace ql {

/// Base and scaling of h.rope, whose n_rot is known. A factor without a type means "linear".
Status read_gguf_rope(const GgufKeys & keys, Hparams & h);

}  // namespace ql
