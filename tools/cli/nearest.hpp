// Which of some names a misspelt one was meant to be.
#pragma once
#include <string>
#include <vector>

namespace ql::cli {

/// The name that takes the fewest letters added, left out, replaced or swapped with their neighbour, or of which
/// one begins with the other; "" where none is near.
std::string nearest_name(const std::string & word, const std::vector<std::string> & names);

}  // namespace ql::cli
