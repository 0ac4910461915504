// nf4 and nf4_dq with scales by least squared error. The search only proposes: what is kept is decided on decoded
// values, in double.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <new>

#include "ggml/dtypes/block_codes.hpp"
#include "ggml/dtypes/nf4_dq.hpp"
#include "ggml/dtypes/scale_search.hpp"

namespace ql {
namespace {

constexpr int64_t kNf4Block = NF4::block_length;

float unit(const uint8_t * codes, int j) {
    return kNF4Codebook[j < 32 ? codes[j] & 15 : codes[j - 32] >> 4];
}

double block_error(const float * x, float scale, const uint8_t * codes, const float * importance) {
    float decoded[kNf4Block];
    for (int j = 0; j < kNf4Block; ++j) decoded[j] = unit(codes, j) * scale;
    return weighted_error(x, decoded, kNf4Block, importance);
}

/// The best scale for the codes that a block has.
float best_scale(const float * x, const float * w, const uint8_t * codes) {
    double wxu = 0, wuu = 0;
    for (int j = 0; j < kNf4Block; ++j) {
        const double u = static_cast<double>(unit(codes, j)), wu = static_cast<double>(w[j]) * u;
        wxu += wu * static_cast<double>(x[j]);
        wuu += wu * u;
    }
    return wuu > 0 ? static_cast<float>(wxu / wuu) : 0;
}

/// A scale, its codes, and the error that they leave.
struct Coded {
    float scale;
    double error;
    uint8_t codes[NF4::block_code_bytes];
};

/// Weights that are values of the format: rounding moved the least squares by a few units in the last place from a
/// scale that gives them back exactly.
void make_exact(const float * x, Coded & coded) {
    float scale = coded.scale;
    for (int i = 0; i < 4; ++i) scale = std::nextafter(scale, 0.0f);
    for (int i = 0; i < 9; ++i, scale = std::nextafter(scale, 2 * coded.scale)) {
        if (block_error(x, scale, coded.codes, nullptr) > 0) continue;
        coded.scale = scale, coded.error = 0;
        return;
    }
}

/// False where the search has nothing to propose.
bool search_block(const float * x, float absmax, double absmax_error, const float * importance, Coded & found) {
    const ScaleSearch search(x, kNf4Block, absmax, importance);
    const float proposed = search_nf4_scale(search) * absmax;
    if (proposed == 0) return false;
    encode_nf4_codes(x, 1 / proposed, found.codes);
    found.scale = best_scale(x, search.w, found.codes);
    found.error = block_error(x, found.scale, found.codes, importance);
    if (found.error < 1e-8 * absmax_error) make_exact(x, found);
    return found.error < absmax_error;
}

double tensor_error(const float * src, int64_t n, const void * encoded, const Importance & importance) {
    float piece[kNf4Block];
    double sum = 0;
    for (int64_t first = 0; first < n; first += kNf4Block) {
        NF4_DQ::decode(encoded, n, first, kNf4Block, piece);
        sum += weighted_error(src + first, piece, kNf4Block, importance.of(first));
    }
    return sum;
}

}  // namespace

void NF4::improve_blocks(const float * src, int64_t n, const Importance & importance, uint8_t * codes, float * scales) {
    for (int64_t b = 0; b < n / kNf4Block; ++b, codes += block_code_bytes) {
        const float * x = src + b * kNf4Block;
        if (scales[b] < kLeastSearched || scales[b] > kMostSearched) continue;
        const float * const columns = importance.of(b * kNf4Block);
        const double error = block_error(x, scales[b], codes, columns);
        Coded found;
        if (error == 0 || !search_block(x, scales[b], error, columns, found)) continue;
        scales[b] = found.scale;
        std::memcpy(codes, found.codes, sizeof found.codes);
    }
}

Status NF4::encode_search(const float * src, int64_t n, const Importance & importance, void * dst) {
    QL_TRY(encode(src, n, dst));
    auto * base = static_cast<uint8_t *>(dst);
    improve_blocks(src, n, importance, base, reinterpret_cast<float *>(base + NF4Offsets(n).absmax));
    return {};
}

Status NF4_DQ::encode_search(const float * src, int64_t n, const Importance & importance, void * dst) {
    QL_TRY(encode(src, n, dst));  // what is kept where the search does not pay
    if (n == 0) return {};
    const auto n_blocks = static_cast<size_t>(n / block_length), size = bytes(n);
    const std::unique_ptr<float[]> scales(new (std::nothrow) float[n_blocks]), copy(new (std::nothrow) float[size / 4]);
    if (!scales || !copy) return error(QL_NO_MEMORY, "no memory to search the scales of %zu blocks", n_blocks);
    auto * base = reinterpret_cast<uint8_t *>(copy.get());
    std::memcpy(base, dst, size);
    QL_TRY(NF4::encode_blocks(src, n, base, scales.get(), 0));
    if (*std::max_element(scales.get(), scales.get() + n_blocks) > kMostSearched) return {};
    NF4::improve_blocks(src, n, importance, base, scales.get());
    encode_absmax(scales.get(), n, base);
    const NF4DQLayout planes(base, n);
    for (int64_t b = 0; b < n / block_length; ++b) {
        const float scale = planes.absmax(b);
        const float inverse = std::fabs(scale) < kLeastSearched ? 0 : 1 / scale;
        encode_nf4_codes(src + b * block_length, inverse, base + b * block_code_bytes);
    }
    if (tensor_error(src, n, base, importance) < tensor_error(src, n, dst, importance)) std::memcpy(dst, base, size);
    return {};
}

}  // namespace ql
