#include "models/train/neftune.hpp"

#include <algorithm>
#include <cmath>

namespace ql {

std::vector<float> neftune_amplitudes(const MicroBatch & batch, double alpha, int64_t n_embd) {
    const size_t n = batch.tokens.size();
    std::vector<float> amplitudes(n, 0.0f);
    for (size_t first = 0, end; first < n; first = end) {
        end = first + 1;
        if (batch.span[2 * first + 1] == 0) continue;  // padding sees nothing
        while (end < n && batch.span[2 * end] == batch.span[2 * first] && batch.span[2 * end + 1] > 0) ++end;
        const auto values = static_cast<double>(end - first) * static_cast<double>(n_embd);
        std::fill(amplitudes.begin() + static_cast<std::ptrdiff_t>(first),
                  amplitudes.begin() + static_cast<std::ptrdiff_t>(end), static_cast<float>(alpha / std::sqrt(values)));
    }
    return amplitudes;
}

}  // namespace ql
