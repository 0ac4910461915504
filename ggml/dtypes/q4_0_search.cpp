// q4_0 with scales by least squared error.
#include <cmath>

#include "ggml/dtypes/half.hpp"
#include "ggml/dtypes/q4_0.hpp"
#include "ggml/dtypes/scale_search.hpp"

namespace ql {
namespace {

constexpr int kBlock = Q4_0::block_length;

double block_error(const float * x, const Q4_0::Block & block, const float * importance) {
    float y[kBlock];
    Q4_0::decode_block(block, y);
    return weighted_error(x, y, kBlock, importance);
}

/// Codes of x * inverse, as q4_0.hpp rounds them.
void set_codes(const float * x, float inverse, Q4_0::Block & block) {
    const auto code = [&](int j) { return static_cast<int>(std::fmin(std::fmax(x[j] * inverse + 8.5f, 0.0f), 15.0f)); };
    for (int j = 0; j < 16; ++j) block.q[j] = static_cast<uint8_t>(code(j) | code(j + 16) << 4);
}

/// The best scale for the codes that a block has.
float best_scale(const float * x, const float * w, const Q4_0::Block & block) {
    double wxu = 0, wuu = 0;
    for (int j = 0; j < kBlock; ++j) {
        const double u = (j < 16 ? block.q[j] & 15 : block.q[j - 16] >> 4) - 8, wu = static_cast<double>(w[j]) * u;
        wxu += wu * static_cast<double>(x[j]);
        wuu += wu * u;
    }
    return wuu > 0 ? static_cast<float>(wxu / wuu) : 0;
}

void improve_block(const float * x, const float * importance, Q4_0::Block & block) {
    const float most = std::bit_cast<float>(max_magnitude_bits<kBlock>(x));
    const double error = block_error(x, block, importance);
    if (most < kLeastSearched || error == 0) return;
    const ScaleSearch search(x, kBlock, most, importance);
    const float proposed = f16_to_f32(f32_to_f16(search_q4_0_scale(search) * most));
    if (proposed == 0 || std::isinf(proposed)) return;
    Q4_0::Block found;
    set_codes(x, 1 / proposed, found);
    found.d = f32_to_f16(best_scale(x, search.w, found));
    if ((found.d & 0x7fff) < 0x7c00 && block_error(x, found, importance) < error) block = found;
}

}  // namespace

Status Q4_0::encode_search(const float * src, int64_t n, const Importance & importance, void * dst) {
    QL_TRY(encode(src, n, dst));
    auto * blocks = static_cast<Block *>(dst);
    for (int64_t i = 0; i < n / kBlock; ++i) improve_block(src + i * kBlock, importance.of(i * kBlock), blocks[i]);
    return {};
}

}  // namespace ql
