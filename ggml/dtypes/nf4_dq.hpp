// nf4_dq: nf4 whose block scales are quantised again, 4 + 8/64 + 32/(64 * 256) = 4.127 bits a weight. A weight is
// codebook[code] * absmax, and absmax = map[absmax_code] * absmax2 + offset, each operation rounded by itself.
//                                                                                              (Dettmers et al. 2023)
// A tensor of n weights has b = n / 64 blocks and g = ceil(b / 256) groups of consecutive blocks of the whole tensor
// (the last may be short). Four planes, each starting at a multiple of 64 bytes from the tensor's start:
//    codes         32 bytes a block, as in nf4
//    absmax codes  u8 a block, on the signed dynamic map (dynamic_map.hpp)
//    absmax2       f32 a group: the largest |absmax - offset|
//    offset        one f32: the mean of all absmax
// Groups span rows, so a row is not a tensor by itself: decode takes the whole tensor and a range.
//
// Encoding gives the bits of bitsandbytes on a CPU. The mean is summed in f64, in order, and rounded once: PyTorch's
// f32 sum is the same on the reference figures, but on a large tensor may differ in the last bit.
#pragma once
#include "ggml/dtypes/dynamic_map.hpp"
#include "ggml/dtypes/nf4.hpp"

namespace ql {

/// Byte offsets of the planes of an nf4_dq tensor of n weights, n > 0.
struct NF4DQOffsets {
    size_t absmax_codes, absmax2, offset, end;  // the codes are at 0

    [[gnu::always_inline]] explicit constexpr NF4DQOffsets(int64_t n)
        : absmax_codes(align_plane(static_cast<size_t>(n) / 2)),
          absmax2(align_plane(absmax_codes + static_cast<size_t>(n) / 64)),
          offset(align_plane(absmax2 + (static_cast<size_t>(n) / 64 + 255) / 256 * sizeof(float))),
          end(offset + sizeof(float)) {}
};

/// Where the planes of a tensor in memory are.
struct NF4DQLayout {
    const uint8_t * codes;
    const uint8_t * absmax_codes;
    const float * absmax2;
    float offset;

    [[gnu::always_inline]] NF4DQLayout(const void * tensor, int64_t n) {
        const NF4DQOffsets at(n);
        codes = static_cast<const uint8_t *>(tensor);
        absmax_codes = codes + at.absmax_codes;
        absmax2 = reinterpret_cast<const float *>(codes + at.absmax2);
        offset = *reinterpret_cast<const float *>(codes + at.offset);
    }

    /// The scale of a block. The product is rounded before the sum: never a fused multiply-add.
    [[gnu::always_inline]] float absmax(int64_t block) const {
        const float product = kDynamicMapSigned[absmax_codes[block]] * absmax2[block / 256];
        return product + offset;
    }
};

struct NF4_DQ {
    static constexpr ql_dtype id = QL_NF4_DQ;
    static constexpr const char * name = "nf4_dq";
    static constexpr int64_t block_length = 64;
    static constexpr int64_t block_code_bytes = 32;
    static constexpr int64_t group_blocks = 256;
    static constexpr bool quantised = true;

    [[gnu::always_inline]] static constexpr size_t bytes(int64_t n) {
        return n <= 0 || n % block_length != 0 || n > NF4::max_elements ? 0 : NF4DQOffsets(n).end;
    }
    static Status encode(const float * src, int64_t n, void * dst);
    /// The scales of NF4::encode_search, of either sign, quantised by the same rule: their mean is the offset. Codes
    /// are those of the scales as decoded. A tensor that this would not serve is as encode makes it.
    static Status encode_search(const float * src, int64_t n, const Importance & importance, void * dst);
    static void decode(const void * src, int64_t n, int64_t first, int64_t count, float * dst);

    /// The second half of encoding: all absmax of a tensor of n weights (n / 64 of them) to its last three planes. With
    /// NF4::encode_blocks for the codes, a tensor can be converted in pieces.
    static void encode_absmax(const float * absmax, int64_t n, void * dst);
};

}  // namespace ql
