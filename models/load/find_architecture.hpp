// The table of architectures: a new one is one file in models/arch/ and one row here.
#pragma once
#include "models/model/architecture.hpp"

namespace ql {

/// The architecture of a name ("llama"); an error that lists the known ones.
Result<const Architecture *> find_architecture(std::string_view name);

}  // namespace ql
