// The memory of a training step as a picture: bytes by kind over the operations of a micro-batch and of the update.
#pragma once
#include <string>

#include "ql/models.hpp"

namespace ql::cli {

/// trainer: of --dry-run; budget: --memory, 0: none.
void write_memory_plot(const std::string & path, ql_trainer * trainer, uint64_t budget);

}  // namespace ql::cli
