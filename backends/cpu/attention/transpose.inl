// Blocks of K (or V) as the attention kernels read them when their vectors run over keys: [d][kKeyBlock] numbers, one
// block after the other, by key's head. Made once per launch, so that every block of queries finds them ready.
#if defined(QL_CPU_TRANSPOSE_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef QL_CPU_TRANSPOSE_INL
#undef QL_CPU_TRANSPOSE_INL
#else
#define QL_CPU_TRANSPOSE_INL
#endif

#include "backends/cpu/attention/shape.hpp"
#include "backends/cpu/vec.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

/// to[i * kKeyBlock + j] = from[j * stride + i], zero for j >= n. Tiles of 16 x 16 numbers stay in L1 on both sides.
inline void transpose_block(const float * from, int64_t stride, int64_t n, int64_t d, float * to) {
    for (int64_t i0 = 0; i0 < d; i0 += 16) {
        const int64_t i1 = HWY_MIN(i0 + 16, d);
        for (int64_t j = 0; j < kKeyBlock; ++j)
            for (int64_t i = i0; i < i1; ++i) to[i * kKeyBlock + j] = j < n ? from[j * stride + i] : 0.0f;
    }
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#endif
