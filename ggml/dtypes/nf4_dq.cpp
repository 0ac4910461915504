// nf4_dq: the codec whose layout nf4_dq.hpp describes.
#include "ggml/dtypes/nf4_dq.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>

#include "ggml/dtypes/two_planes.hpp"

namespace ql {
namespace {

/// One group of at most 256 scales: its absmax2 and codes.
float encode_group(const float * absmax, int64_t count, float offset, uint8_t * codes) {
    float most = 0;
    for (int64_t i = 0; i < count; ++i) most = std::max(most, std::fabs(absmax[i] - offset));
    for (int64_t i = 0; i < count; ++i) {
        // A group without spread has absmax2 0 and decodes to the offset whatever the codes; the reference writes 0.
        codes[i] = most > 0 ? dynamic_code(kDynamicMapSigned, (absmax[i] - offset) / most) : uint8_t{0};
    }
    return most;
}

}  // namespace

void NF4_DQ::encode_absmax(const float * absmax, int64_t n, void * dst) {
    auto * base = static_cast<uint8_t *>(dst);
    const NF4DQOffsets at(n);
    const int64_t n_blocks = n / block_length;
    std::memset(base + at.absmax_codes, 0, at.end - at.absmax_codes);  // the gaps between the planes

    double sum = 0;
    for (int64_t b = 0; b < n_blocks; ++b) sum += static_cast<double>(absmax[b]);
    const float offset = static_cast<float>(sum / static_cast<double>(n_blocks));
    std::memcpy(base + at.offset, &offset, sizeof offset);

    auto * absmax2 = reinterpret_cast<float *>(base + at.absmax2);
    for (int64_t b = 0; b < n_blocks; b += group_blocks) {
        const int64_t count = std::min(group_blocks, n_blocks - b);
        absmax2[b / group_blocks] = encode_group(absmax + b, count, offset, base + at.absmax_codes + b);
    }
}

Status NF4_DQ::encode(const float * src, int64_t n, void * dst) {
    if (n == 0) return {};
    const auto n_blocks = static_cast<size_t>(n / block_length);
    const std::unique_ptr<float[]> absmax(new (std::nothrow) float[n_blocks]);
    if (!absmax) return error(QL_NO_MEMORY, "no memory for the scales of %zu blocks", n_blocks);
    auto * codes = static_cast<uint8_t *>(dst);
    const size_t code_bytes = n_blocks * block_code_bytes;
    std::memset(codes + code_bytes, 0, NF4DQOffsets(n).absmax_codes - code_bytes);
    QL_TRY(NF4::encode_blocks(src, n, codes, absmax.get(), 0));
    encode_absmax(absmax.get(), n, dst);
    return {};
}

void NF4_DQ::decode(const void * src, int64_t n, int64_t first, int64_t count, float * dst) {
    if (count == 0) return;
    const NF4DQLayout planes(src, n);
    decode_two_planes<kNF4Codebook>(
        planes.codes, first, count, [&](int64_t b) { return planes.absmax(b); }, dst);
}

}  // namespace ql
