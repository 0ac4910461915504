// The two forms of a model on disk, read without a check that the weights are those of the architecture.
#pragma once
#include <string>

#include "models/model/weights.hpp"

namespace ql {

/// A file's tensors, mapped in place; those with a scale of the whole tensor have it.
Result<std::vector<Weight>> gguf_weights(const ql_gguf * file);
Result<ModelParts> load_gguf_model(const std::string & path);
/// A Hugging Face directory: config.json, *.safetensors, tokenizer.json or tokenizer.model.
Result<ModelParts> load_hf_model(const std::string & directory);

}  // namespace ql
