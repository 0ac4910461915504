// Split of work: down, a token's branch in tasks of kRows rows of A; up is cut by its callers. Memory traffic: A and B
// of a token's adapters, once each; that is what takes the time, as tokens of different adapters share nothing of it.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/products/branches.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>

#include "backends/cpu/products/branches.hpp"
#include "backends/cpu/products/gemv.hpp"
#include "backends/cpu/vec.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

/// acc += s sum_p h[p] bt[p, j ...], of n columns.
template <int N, typename T>
HWY_INLINE void add_rows(const T * bt, int64_t m, int64_t r, const float * h, float s, int64_t n, Vec (&acc)[N]) {
    for (int64_t p = 0; p < r; ++p, bt += m) {
        const Vec factor = hn::Set(kF32, s * h[p]);
        HWY_UNROLL(4)
        for (int v = 0; v < N; ++v) acc[v] = hn::MulAdd(factor, load_part(bt + v * kLanes, n - v * kLanes), acc[v]);
    }
}

template <int N>
HWY_INLINE void columns(const Branches & b, int64_t token, int64_t j, int64_t n, const float * add, float * c) {
    Vec acc[N];
    HWY_UNROLL(4)
    for (int v = 0; v < N; ++v) acc[v] = add ? load_part(add + j + v * kLanes, n - v * kLanes) : hn::Zero(kF32);
    for (const Branch & branch : b.all()) {
        const float s = b.factor(branch, token);
        if (s == 0) continue;
        const int64_t m = branch.bt.k, r = branch.r();
        const float * h = branch.h + token * r;
        const auto rows = [&](const auto * bt) HWY_ATTR { add_rows<N>(bt + j, m, r, h, s, n, acc); };
        if (branch.bt.dtype == QL_F32)
            rows(static_cast<const float *>(branch.bt.data));
        else if (branch.bt.dtype == QL_BF16)
            rows(static_cast<const uint16_t *>(branch.bt.data));
        else
            rows(static_cast<const hwy::float16_t *>(branch.bt.data));
    }
    HWY_UNROLL(4)
    for (int v = 0; v < N; ++v) store_part(acc[v], c + j + v * kLanes, n - v * kLanes);
}

void add_branches_to(const Branches & b, int64_t token, int64_t first, int64_t last, const float * add, float * c) {
    int64_t j = first;
    for (; j + 4 * kLanes <= last; j += 4 * kLanes) columns<4>(b, token, j, 4 * kLanes, add, c);
    for (; j < last; j += kLanes) columns<1>(b, token, j, std::min<int64_t>(kLanes, last - j), add, c);
}

void widen(const uint16_t * x, int64_t n, float * to) {
    for (int64_t i = 0; i < n; i += kLanes) store_part(load_part(x + i, n - i), to + i, n - i);
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
HWY_EXPORT(add_branches_to);
HWY_EXPORT(widen);

namespace {
constexpr int64_t kRows = 8;
}

int64_t Branches::run_of(int64_t t, int64_t end) const {
    const auto alike = [&](int64_t u) {
        return std::all_of(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(n),
                           [&](const Branch & b) { return factor(b, t) == factor(b, u); });
    };
    int64_t last = t + 1;
    while (last < end && alike(last)) ++last;
    return last - t;
}

void branches_down(Pool & pool, const Branches & b, std::span<const TokenBranch> pairs, const void * x, bool x_bf16,
                   float * row) {
    const auto to_f32 = &HWY_DYNAMIC_DISPATCH(widen);
    int64_t parts = 1;
    for (const TokenBranch & p : pairs)
        parts = std::max(parts, (b.list[static_cast<size_t>(p.branch)].r() + kRows - 1) / kRows);
    pool.run(static_cast<int64_t>(pairs.size()) * parts, [&](int64_t unit, int thread) {
        const TokenBranch & pair = pairs[static_cast<size_t>(unit / parts)];
        const Branch & branch = b.list[static_cast<size_t>(pair.branch)];
        const int64_t k = branch.a.k, first = unit % parts * kRows, last = std::min(branch.r(), first + kRows);
        if (first >= last) return;
        const float * of_token = row + thread * k;
        if (x_bf16)
            to_f32(static_cast<const uint16_t *>(x) + pair.token * k, k, row + thread * k);
        else
            of_token = static_cast<const float *>(x) + pair.token * k;
        dot_rows_of_one(branch.a.dtype)({branch.a}, of_token, first, last, nullptr, branch.h + pair.token * branch.r());
    });
}

void add_branches(const Branches & b, int64_t token, int64_t first, int64_t last, const float * add, float * c) {
    HWY_DYNAMIC_DISPATCH(add_branches_to)(b, token, first, last, add, c);
}

}  // namespace ql::cpu
#endif
