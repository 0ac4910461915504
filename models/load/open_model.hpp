// Opening a model: load, check against the architecture, convert to the asked base type.
#pragma once
#include <memory>
#include <string>

#include "models/model/model.hpp"

namespace ql {

/// Opens a GGUF file or a Hugging Face directory and checks that every weight the architecture needs is there.
Result<std::unique_ptr<Model>> open_model(const std::string & path, const ql_model_options & options);

}  // namespace ql
