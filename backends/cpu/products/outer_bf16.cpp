// Sums of outer products in vdpbf16ps, straight from rows as they lie in memory. Packing a panel, as the product with
// weights does, would cost as much here as multiplying it with so few rows.
//
// A step takes a pair of tokens: two rows of 32 columns are interleaved into 2 vectors of pairs - columns in an order
// of their own, restored at the end -, the rows' pairs are broadcast. 8 rows by 32 columns are 16 sums in registers and
// 16 vdpbf16ps for 10 loads and 2 shuffles. Split of work: 64 columns of one of the sums, all rows. Memory traffic:
// right once, its lines asked for 16 tokens ahead; more than 8 rows find it in L2. Measured on Zen 5, 2 threads, 512
// tokens of SmolLM2-135M, r 8: lora_back takes 10.0 ms, by panels 13.4.
#include "backends/cpu/avx512.inl"
#include "backends/cpu/products/bf16.hpp"
#include "backends/cpu/scratch.hpp"

namespace ql::cpu {
namespace {

constexpr int64_t kColumns = 32, kUnit = 2 * kColumns, kRows = 8, kTokensAhead = 16;

int64_t pairs_of(int64_t tokens) {
    return (tokens + 1) / 2;
}
int64_t padded_rows(int64_t r) {
    return (r + kLanes - 1) / kLanes * kLanes;
}
__mmask32 first_columns(int64_t n) {
    return n >= kColumns ? ~0u : (1u << n) - 1;
}

/// One of the sums, its left rows in pairs [padded r, pairs].
struct OuterJob {
    OuterBf16 of;
    int64_t r = 0, tokens = 0;
    uint32_t * left = nullptr;
    int64_t left_row = 0;
    int64_t units() const { return (of.n + kUnit - 1) / kUnit; }
};

/// sums: R rows of kColumns, scaled.
void store_rows(const OuterBf16 & of, int64_t, const float (*sums)[kColumns], int64_t rows, int64_t row,
                int64_t column) {
    for (int64_t r = 0; r < rows; ++r)
        for (int64_t i = 0; i < kColumns && column + i < of.n; i += kLanes)
            _mm512_mask_storeu_ps(of.c + (row + r) * of.n + column + i, first_lanes(of.n - column - i),
                                  _mm512_load_ps(sums[r] + i));
}
void store_transposed(const OuterBf16 & of, int64_t r_all, const float (*sums)[kColumns], int64_t rows, int64_t row,
                      int64_t column) {
    const __mmask16 there = first_lanes(rows);
    for (int64_t i = 0; i < kColumns && column + i < of.n; i += kLanes) {
        __m512i v[16] = {};
        for (int64_t r = 0; r < rows; ++r) v[r] = _mm512_load_si512(sums[r] + i);
        transpose(v);
        for (int64_t j = 0; j < smaller(kLanes, of.n - column - i); ++j)
            _mm512_mask_storeu_epi32(of.c + (column + i + j) * r_all + row, there, v[j]);
    }
}

/// Rows [row, row + R) by up to kColumns columns.
template <int R>
[[gnu::noinline]] void sum_tile(const OuterJob & job, int64_t row, int64_t column) {
    const int64_t n = job.of.n;
    const __mmask32 there = first_columns(n - column);
    const uint16_t * right = job.of.right + column;
    const uint32_t * left = job.left + row;
    __m512 sum[R][2] = {};
    for (int64_t t = 0; t < job.tokens; t += 2, right += 2 * n, left += job.left_row) {
        const __m512i even = _mm512_maskz_loadu_epi16(there, right);
        const __m512i odd = _mm512_maskz_loadu_epi16(t + 1 < job.tokens ? there : 0, right + n);
        for (int64_t ahead = kTokensAhead; ahead < kTokensAhead + 2; ++ahead) {
            __builtin_prefetch(right + ahead * n);
            __builtin_prefetch(right + ahead * n + kColumns);
        }
        const auto low = (__m512bh)_mm512_unpacklo_epi16(even, odd), high = (__m512bh)_mm512_unpackhi_epi16(even, odd);
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
            const auto y = (__m512bh)_mm512_set1_epi32(static_cast<int>(left[r]));
            sum[r][0] = _mm512_dpbf16_ps(sum[r][0], low, y);
            sum[r][1] = _mm512_dpbf16_ps(sum[r][1], high, y);
        }
    }
    alignas(64) float sums[R][kColumns];
    const __m512i first = _mm512_setr_epi32(0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
    const __m512i second = _mm512_add_epi32(first, _mm512_set1_epi32(8));
    const __m512 scale = _mm512_set1_ps(job.of.scale);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
        _mm512_store_ps(sums[r], _mm512_mul_ps(scale, _mm512_permutex2var_ps(sum[r][0], first, sum[r][1])));
        _mm512_store_ps(sums[r] + kLanes, _mm512_mul_ps(scale, _mm512_permutex2var_ps(sum[r][0], second, sum[r][1])));
    }
    (job.of.transposed ? store_transposed : store_rows)(job.of, job.r, sums, R, row, column);
}

constexpr void (*kTiles[kRows])(const OuterJob &, int64_t, int64_t) = {
    sum_tile<1>, sum_tile<2>, sum_tile<3>, sum_tile<4>, sum_tile<5>, sum_tile<6>, sum_tile<7>, sum_tile<8>};

void sum_unit(const OuterJob & job, int64_t unit) {
    for (int64_t column = unit * kUnit; column < smaller(job.of.n, (unit + 1) * kUnit); column += kColumns)
        for (int64_t row = 0; row < job.r; row += kRows) kTiles[smaller(kRows, job.r - row) - 1](job, row, column);
}

void pack_left(const OuterJob & job, int64_t pair) {
    const float * even = job.of.left + 2 * pair * job.r;
    for (int64_t j = 0; j < job.r; j += kLanes) {
        const __mmask16 there = first_lanes(job.r - j);
        const __m512 odd = _mm512_maskz_loadu_ps(2 * pair + 1 < job.tokens ? there : 0, even + job.r + j);
        _mm512_store_si512(job.left + pair * job.left_row + j, to_pairs(_mm512_maskz_loadu_ps(there, even + j), odd));
    }
}

/// Room for the left rows of a sum.
uint32_t * take_left(Carver & carve, int64_t r, int64_t tokens) {
    return carve.take<uint32_t>(padded_rows(r) * pairs_of(tokens));
}

}  // namespace

size_t outer_scratch(size_t sums, int64_t r, int64_t tokens) {
    Carver count;
    for (size_t i = 0; i < sums; ++i) take_left(count, r, tokens);
    return count.used();
}

void outer_sums(Pool & pool, std::span<const OuterBf16> sums, int64_t r, int64_t tokens, std::byte * scratch) {
    constexpr int64_t kPairsOfTask = 64;
    const int64_t pairs = pairs_of(tokens), tasks = (pairs + kPairsOfTask - 1) / kPairsOfTask;
    Carver carve(scratch);
    OuterJob jobs[kMaxOuterSums];
    for (size_t i = 0; i < sums.size(); ++i)
        jobs[i] = {sums[i], r, tokens, take_left(carve, r, tokens), padded_rows(r)};
    const auto n = static_cast<int64_t>(sums.size());
    pool.run(n * tasks, [&](int64_t task, int) {
        const OuterJob & of = jobs[task / tasks];
        const int64_t first = task % tasks * kPairsOfTask;
        for (int64_t pair = first; pair < smaller(pairs, first + kPairsOfTask); ++pair) pack_left(of, pair);
    });
    int64_t units = 0;
    for (int64_t i = 0; i < n; ++i) units += jobs[i].units();
    pool.run(units, [&](int64_t unit, int) {
        const OuterJob * job = jobs;
        for (; unit >= job->units(); ++job) unit -= job->units();
        sum_unit(*job, unit);
    });
}

}  // namespace ql::cpu
