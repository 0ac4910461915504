// The scalar decoders of the formats of unit_blocks.hpp.
#include "ggml/dtypes/unit_blocks.hpp"

#include "ggml/dtypes/iq1_m.hpp"
#include "ggml/dtypes/iq1_s.hpp"
#include "ggml/dtypes/iq2_s.hpp"
#include "ggml/dtypes/iq2_xs.hpp"
#include "ggml/dtypes/iq2_xxs.hpp"
#include "ggml/dtypes/iq3_s.hpp"
#include "ggml/dtypes/iq3_xxs.hpp"
#include "ggml/dtypes/iq4_xs.hpp"
#include "ggml/dtypes/mxfp4.hpp"
#include "ggml/dtypes/nvfp4.hpp"
#include "ggml/dtypes/q1_0.hpp"
#include "ggml/dtypes/q2_0.hpp"
#include "ggml/dtypes/tq1_0.hpp"
#include "ggml/dtypes/tq2_0.hpp"

namespace ql {

template <class Format, class B, int64_t length>
void UnitBlocks<Format, B, length>::decode_block(const Block & block, float * y) {
    for (int run = 0; run < length / kUnitRun; ++run) {
        int8_t q[kUnitRun];
        float s[2];
        Format::units(block, run, q);
        Format::scales(block, run, s);
        for (int j = 0; j < kUnitRun; ++j) y[run * kUnitRun + j] = s[j / 16] * static_cast<float>(q[j]);
    }
}

template <class Format, class B, int64_t length>
void UnitBlocks<Format, B, length>::decode(const void * src, int64_t, int64_t first, int64_t count, float * dst) {
    decode_blocks<Format>(src, first, count, dst);
}

template struct UnitBlocks<IQ1_M, IQ1_MBlock, IQ1_M::block_length>;
template struct UnitBlocks<IQ1_S, IQ1_SBlock, IQ1_S::block_length>;
template struct UnitBlocks<IQ2_S, IQ2_SBlock, IQ2_S::block_length>;
template struct UnitBlocks<IQ2_XS, IQ2_XSBlock, IQ2_XS::block_length>;
template struct UnitBlocks<IQ2_XXS, IQ2_XXSBlock, IQ2_XXS::block_length>;
template struct UnitBlocks<IQ3_S, IQ3_SBlock, IQ3_S::block_length>;
template struct UnitBlocks<IQ3_XXS, IQ3_XXSBlock, IQ3_XXS::block_length>;
template struct UnitBlocks<IQ4_XS, IQ4_XSBlock, IQ4_XS::block_length>;
template struct UnitBlocks<MXFP4, MXFP4Block, MXFP4::block_length>;
template struct UnitBlocks<NVFP4, NVFP4Block, NVFP4::block_length>;
template struct UnitBlocks<Q1_0, Q1_0Block, Q1_0::block_length>;
template struct UnitBlocks<Q2_0, Q2_0Block, Q2_0::block_length>;
template struct UnitBlocks<TQ1_0, TQ1_0Block, TQ1_0::block_length>;
template struct UnitBlocks<TQ2_0, TQ2_0Block, TQ2_0::block_length>;

}  // namespace ql
