// The sum of a row, for operators that reduce rows. Compiled once for each instruction set; included like
// vec.inl, which it includes.
#if defined(QL_CPU_ROW_SUMS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef QL_CPU_ROW_SUMS_INL
#undef QL_CPU_ROW_SUMS_INL
#else
#define QL_CPU_ROW_SUMS_INL
#endif

#include "backends/cpu/vec.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

/// Four chains, added in a fixed order.
template <typename X>
HWY_INLINE float row_sum(const X * x, int64_t n) {
    Vec s0 = hn::Zero(kF32), s1 = s0, s2 = s0, s3 = s0;
    int64_t i = 0;
    for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
        s0 = hn::Add(s0, load_part(x + i, kLanes));
        s1 = hn::Add(s1, load_part(x + i + kLanes, kLanes));
        s2 = hn::Add(s2, load_part(x + i + 2 * kLanes, kLanes));
        s3 = hn::Add(s3, load_part(x + i + 3 * kLanes, kLanes));
    }
    for (; i < n; i += kLanes) s0 = hn::Add(s0, load_part(x + i, n - i));
    return sum_of(hn::Add(hn::Add(s0, s1), hn::Add(s2, s3)));
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#endif
