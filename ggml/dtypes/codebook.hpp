// The sixteen values of NF4 and where encoding switches between them.
#pragma once
#include <cstdint>

namespace ql {

/// 4-bit NormalFloat: quantiles of N(0, 1), scaled to [-1, 1], with an exact 0. Written out, because deriving them
/// again differs in the last bits.                                 (Dettmers et al. 2023, appendix E;
///                                                                 bitsandbytes functional.py)
inline constexpr float kNF4Codebook[16] = {
    -1.0f,
    -0.6961928009986877f,
    -0.5250730514526367f,
    -0.39491748809814453f,
    -0.28444138169288635f,
    -0.18477343022823334f,
    -0.09105003625154495f,
    0.0f,
    0.07958029955625534f,
    0.16093020141124725f,
    0.24611230194568634f,
    0.33791524171829224f,
    0.44070982933044434f,
    0.5626170039176941f,
    0.7229568362236023f,
    1.0f,
};

/// Code = how many of these the value lies above; a value on a threshold takes the lower code. They are the means of
/// neighbours, as rounded in the reference.                                              (bitsandbytes csrc/kernels.cu)
inline constexpr float kNF4Thresholds[15] = {
    -0.8480964005f, -0.6106329262f, -0.4599952698f, -0.3396794349f, -0.2346074060f,
    -0.1379117332f, -0.0455250181f, 0.0397901498f,  0.1202552505f,  0.2035212517f,
    0.2920137718f,  0.3893125355f,  0.5016634166f,  0.6427869201f,  0.8614784181f,
};

/// The code of x in [-1, 1]: fifteen compares, no branch and no table.
[[gnu::always_inline]] inline int32_t nf4_code(float x) {
    int32_t n = 0;
#pragma GCC unroll 15
    for (int i = 0; i < 15; ++i) n += static_cast<int32_t>(x > kNF4Thresholds[i]);
    return n;
}

}  // namespace ql
