// The scale of attention of models that say it by what q is divided by, not by the length of a head.
#pragma once
#include "models/files/json_file.hpp"
#include "models/model/hparams.hpp"

namespace ql {

/// query_pre_attn_scalar: attention's scale is one over its root.
Status read_query_scale(const JsonFile & config, Hparams & h);

/// The scale of a model whose GGUF files do not say it, and which takes it from the width for each head.
float scale_of_width(const Hparams & h);

}  // namespace ql
