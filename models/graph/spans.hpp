// The spans of a stream for each window, made from the span of layers without a window.
#pragma once
#include <cstdint>
#include <vector>

#include "models/graph/builder.hpp"

namespace ql {

/// The ranges [begin, end) of `span`, each cut to its last `window` keys; 0 leaves all keys.
std::vector<int32_t> windowed(const std::vector<int32_t> & span, int64_t window);

/// Writes a stream's spans. `span` [2, T] holds, for each token, the keys of its sequence up to itself, one for each
/// position: windows are counted in keys.
Status write_spans(const StreamInputs & inputs, const std::vector<int32_t> & span);

}  // namespace ql
