// Philox 4x32-10 (common/philox.hpp) in vectors: 32-bit words in 64-bit lanes, which hold whole products; about 3 vector
// instructions a word. Compiled once for each instruction set; included like vec.inl, which it includes.
#if defined(QL_CPU_PHILOX_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef QL_CPU_PHILOX_INL
#undef QL_CPU_PHILOX_INL
#else
#define QL_CPU_PHILOX_INL
#endif

#include "common/philox.hpp"

#include "backends/cpu/vec.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

#if HWY_TARGET != HWY_SCALAR
using U64 = hn::ScalableTag<uint64_t>;
constexpr U64 kU64;
constexpr int64_t kBlocks = hn::MaxLanes(U64());  // Philox blocks of a vector

/// Counters from this one on differ in the low word alone; where that word overflows on the way, they do not.
HWY_INLINE bool philox_overflows(PhiloxCounter c) {
    return c[0] > 0xFFFFFFFFu - kBlocks;
}

HWY_INLINE hn::Vec<U64> product32(hn::Vec<U64> a, uint32_t b) {
    const hn::Repartition<uint32_t, U64> u32;
    return hn::MulEven(hn::BitCast(u32, a), hn::BitCast(u32, hn::Set(kU64, b)));
}

/// The words of kBlocks blocks, in order: the first has the counter c, which does not overflow.
HWY_INLINE void philox_words(PhiloxCounter c, PhiloxKey k, uint32_t * words) {
    const auto low = hn::Set(kU64, 0xFFFFFFFFull);
    auto c0 = hn::Add(hn::Set(kU64, uint64_t{c[0]}), hn::Iota(kU64, uint64_t{0}));
    auto c1 = hn::Set(kU64, uint64_t{c[1]}), c2 = hn::Set(kU64, uint64_t{c[2]}), c3 = hn::Set(kU64, uint64_t{c[3]});
    for (int round = 0; round < 10; ++round) {
        const auto a = product32(c0, kPhiloxA), b = product32(c2, kPhiloxB);
        c0 = hn::Xor(hn::Xor(hn::ShiftRight<32>(b), c1), hn::Set(kU64, uint64_t{k[0]}));
        c2 = hn::Xor(hn::Xor(hn::ShiftRight<32>(a), c3), hn::Set(kU64, uint64_t{k[1]}));
        c1 = hn::And(b, low);
        c3 = hn::And(a, low);
        k = {k[0] + kPhiloxStepA, k[1] + kPhiloxStepB};
    }
    hn::StoreInterleaved2(hn::Or(c0, hn::ShiftLeft<32>(c1)), hn::Or(c2, hn::ShiftLeft<32>(c3)), kU64,
                          reinterpret_cast<uint64_t *>(words));
}
#endif

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#endif
