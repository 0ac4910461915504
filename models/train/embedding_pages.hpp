// An embedding that is used where its file is mapped: only pages of rows that occur are in memory. How much the system maps
// with a page that is touched depends on how its cache has the file, so it is measured.
#pragma once
#include <cstdint>
#include <span>

#include "models/model/model.hpp"

namespace ql {

/// The bytes of the model's embedding that passes over these tokens, and no others, leave out of memory. Touches the rows of
/// the tokens, which are read from the file by that. 0 where the embedding is the head, too, where its rows do not lie in one
/// piece, and where it was converted to memory or to a place on disk.
uint64_t unmapped_embedding(const Model & model, std::span<const int32_t> tokens);

}  // namespace ql
