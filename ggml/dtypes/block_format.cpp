// The words for a block that cannot be encoded. The caller puts the tensor's name in front.
#include "ggml/dtypes/block_format.hpp"

namespace ql {

Status refused_block(const char * format, const float * x, int64_t block_length, int64_t block) {
    float most = 0;
    for (int64_t j = 0; j < block_length; ++j) {
        const auto at = static_cast<long long>(block * block_length + j);
        if (std::isnan(x[j])) return error(QL_NON_FINITE, "element %lld is NaN, which %s cannot hold", at, format);
        if (std::isinf(x[j])) return error(QL_NON_FINITE, "element %lld is infinite, which %s cannot hold", at, format);
        most = std::fmax(most, std::fabs(x[j]));
    }
    return error(QL_NON_FINITE,
                 "elements %lld to %lld reach %g, too large for the 16-bit scale of %s; keep f32 or bf16",
                 static_cast<long long>(block * block_length), static_cast<long long>((block + 1) * block_length - 1),
                 static_cast<double>(most), format);
}

}  // namespace ql
