// Blocks of coded.hpp in vectors. Compiled once for each instruction set; included like vec.inl.
#if defined(QL_CPU_CODED_BLOCKS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef QL_CPU_CODED_BLOCKS_INL
#undef QL_CPU_CODED_BLOCKS_INL
#else
#define QL_CPU_CODED_BLOCKS_INL
#endif

#include <limits>
#include <type_traits>

#include "backends/cpu/products/coded.hpp"
#include "backends/cpu/vec.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

using VecI32 = hn::Vec<TagI32>;

struct BlockScales {
    Vec scale, inverse;
};

/// The magnitudes of finite numbers, infinities and NaN in the order of the integers that their bits are.
HWY_INLINE VecI32 magnitude_bits(Vec x) {
    return hn::And(hn::BitCast(kI32, x), hn::Set(kI32, 0x7fffffff));
}

/// Of blocks with these largest magnitudes.
HWY_INLINE BlockScales block_scales(const Coding & of, VecI32 largest_bits) {
    const Vec largest = hn::BitCast(kF32, largest_bits), most = hn::Set(kF32, static_cast<float>(of.largest));
    const auto finite = hn::RebindMask(kF32, hn::Lt(largest_bits, hn::Set(kI32, 0x7f800000)));
    const auto normal = hn::And(finite, hn::Ge(largest, hn::Set(kF32, kCodedSmallest)));
    const Vec scale = hn::IfThenElseZero(normal, hn::Div(largest, most));
    return {hn::IfThenElse(finite, scale, hn::Set(kF32, std::numeric_limits<float>::quiet_NaN())),
            hn::IfThenElseZero(normal, hn::Div(most, largest))};
}

struct CodedBlock {
    float scale;
    int32_t sum;  // of the codes
};

/// n numbers, a multiple of 16: their codes go to dst. Bytes without a sign get A's bias.
template <class Code>
HWY_INLINE CodedBlock code_block(const Coding & of, const float * x, int64_t n, Code * dst) {
    constexpr int32_t bias = std::is_unsigned_v<Code> ? kByteBias : 0;
    const hn::Rebind<Code, TagI32> codes;
    VecI32 largest = hn::Zero(kI32), sum = hn::Zero(kI32);
    for (int64_t i = 0; i < n; i += kLanes) largest = hn::Max(largest, magnitude_bits(hn::LoadU(kF32, x + i)));
    const BlockScales s = block_scales(of, hn::MaxOfLanes(kI32, largest));
    const auto counts = hn::Gt(s.inverse, hn::Zero(kF32));  // else codes are 0, also those of what is not finite
    for (int64_t i = 0; i < n; i += kLanes) {
        const VecI32 code = hn::NearestInt(hn::IfThenElseZero(counts, hn::Mul(hn::LoadU(kF32, x + i), s.inverse)));
        sum = hn::Add(sum, code);
        hn::StoreU(hn::DemoteTo(codes, hn::Add(code, hn::Set(kI32, bias))), codes, dst + i);
    }
    return {hn::GetLane(s.scale), hn::GetLane(hn::SumOfLanes(kI32, sum))};
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#endif
