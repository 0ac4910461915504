// The table of architectures. CMake makes it of the files in models/arch/: NAME.cpp defines NAME_architecture().
#pragma once
#include "models/model/architecture.hpp"

namespace ql {

/// The architecture of a name in GGUF files ("llama"); an error that lists the known ones.
Result<const Architecture *> find_architecture(std::string_view name);

/// The architecture of a model_type in config.json; an error that lists the known ones.
Result<const Architecture *> find_hf_architecture(std::string_view model_type);

}  // namespace ql
