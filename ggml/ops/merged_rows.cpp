// Split: none; a thread merges the rows it is given. Four rows share what is read of A, which comes from the cache of the
// second level; each product and each sum is rounded by itself, in the order of add_merged_row, so the bits do not depend
// on how many elements and rows are done side by side.
#include "ggml/ops/merged_rows.hpp"

#include "common/guarded.hpp"
#include "ql/dither.h"
#include "ql/status.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ggml/ops/merged_rows.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ggml/dtypes/lanes.inl"

HWY_BEFORE_NAMESPACE();
namespace ql {
namespace HWY_NAMESPACE {
/// kRows rows of w, whose rows and those of b follow each other. Eight sums: an addition waits for the one before it.
template <int kRows>
HWY_INLINE void merge(float * HWY_RESTRICT w, const float * HWY_RESTRICT a, const float * HWY_RESTRICT b, int64_t k,
                      int64_t r, float s) {
    constexpr int kVectors = 8 / kRows;
    const Vec scale = hn::Set(kTag, s);
    int64_t i = 0;
    for (; i + kVectors * kWidth <= k; i += kVectors * kWidth) {
        Vec sums[kRows][kVectors];
        for (auto & row : sums)
            for (Vec & sum : row) sum = hn::Zero(kTag);
        for (int64_t j = 0; j < r; ++j) {
            Vec x[kVectors];
            for (int v = 0; v < kVectors; ++v) x[v] = hn::LoadU(kTag, a + j * k + i + v * kWidth);
            for (int row = 0; row < kRows; ++row) {
                const Vec factor = hn::Set(kTag, b[row * r + j]);
                for (int v = 0; v < kVectors; ++v) sums[row][v] = hn::Add(sums[row][v], hn::Mul(factor, x[v]));
            }
        }
        for (int row = 0; row < kRows; ++row)
            for (int v = 0; v < kVectors; ++v) {
                float * const to = w + row * k + i + v * kWidth;
                hn::StoreU(hn::Add(hn::LoadU(kTag, to), hn::Mul(scale, sums[row][v])), kTag, to);
            }
    }
    for (; i < k; ++i)
        for (int row = 0; row < kRows; ++row) {
            float sum = 0;
            for (int64_t j = 0; j < r; ++j) sum += b[row * r + j] * a[j * k + i];
            w[row * k + i] += s * sum;
        }
}

void merge_rows(float * w, int64_t rows, const float * a, const float * b, int64_t k, int64_t r, float s) {
    int64_t row = 0;
    for (; row + 4 <= rows; row += 4) merge<4>(w + row * k, a, b + row * r, k, r, s);
    for (; row < rows; ++row) merge<1>(w + row * k, a, b + row * r, k, r, s);
}

}  // namespace HWY_NAMESPACE
}  // namespace ql
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql {
HWY_EXPORT(merge_rows);

void add_merged_rows(float * w, int64_t rows, const float * a, const float * b, int64_t k, int64_t r, float s) {
    HWY_DYNAMIC_DISPATCH(merge_rows)(w, rows, a, b, k, r, s);
}

}  // namespace ql

ql_status ql_merge_rows(float * w, int64_t rows, const float * a, const float * b, int64_t k, int64_t r, float s) {
    return ql::guarded([&]() -> ql::Status {
        if (!w || !a || !b)
            return ql::error(QL_INVALID_ARGUMENT, "ql_merge_rows: %s is NULL", !w ? "w" : !a ? "a" : "b");
        if (rows < 0 || k < 0 || r < 0)
            return ql::error(QL_INVALID_ARGUMENT, "ql_merge_rows: %lld rows of %lld, rank %lld: a length is negative",
                             static_cast<long long>(rows), static_cast<long long>(k), static_cast<long long>(r));
        ql::add_merged_rows(w, rows, a, b, k, r, s);
        return {};
    });
}
#endif
