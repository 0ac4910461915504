// Micro-kernels of integers for ARM's products of bytes: sdot, 4 steps of 4 columns an instruction, and smmla, 8 steps of 2
// rows by 2 columns. Compiled for both, and entered only where the processor has them: vnni.cpp.
//
// A's bytes have a bias of 128 for the instructions of x86; here all are signed, so it is taken away as they are loaded, and
// sums start from zero. A kernel has 6 rows by 8 columns: 12 sums, the rows' codes for 16 steps, and two vectors of B, of 32
// registers. For smmla neighbouring units of B, of 4 steps each, are interleaved to 8 steps of 2 columns.
#include "backends/cpu/products/coded_panel.hpp"

#if defined(__ARM_FEATURE_DOTPROD) && defined(__ARM_FEATURE_MATMUL_INT8)
#include <arm_neon.h>

#include "backends/cpu/products/vnni.hpp"

namespace ql::cpu {
namespace {

constexpr int kVectors = 2, kColumns = 4 * kVectors;
constexpr int64_t kUnitsOfTurn = 4;  // 16 steps; blocks are whole turns

inline int8x16_t without_bias(const std::byte * a) {
    return vreinterpretq_s8_u8(veorq_u8(vld1q_u8(reinterpret_cast<const uint8_t *>(a)), vdupq_n_u8(kByteBias)));
}
inline int8x16_t load_unit(const int32_t * b) {
    return vreinterpretq_s8_s32(vld1q_s32(b));
}

struct Sdot {
    template <int lane>
    static int32x4_t add(int32x4_t sum, int8x16_t b, int8x16_t a) {
        return vdotq_laneq_s32(sum, b, a, lane);
    }
    template <int lane, int R>
    static void add_unit(const int32_t * b, const int8x16_t (&a)[R], int32x4_t (&sum)[R][kVectors]) {
        for (int v = 0; v < kVectors; ++v) {
            const int8x16_t x = load_unit(b + 4 * v);
            for (int r = 0; r < R; ++r) sum[r][v] = add<lane>(sum[r][v], x, a[r]);
        }
    }
    /// Sums of `units` units of R rows, `a_row` bytes apart.
    template <int R>
    static void block(const std::byte * a, int64_t a_row, const int32_t * b, int64_t units,
                      int32x4_t (&sum)[R][kVectors]) {
        for (int r = 0; r < R; ++r) sum[r][0] = sum[r][1] = vdupq_n_s32(0);
        for (int64_t u = 0; u < units; u += kUnitsOfTurn, a += 16, b += kUnitsOfTurn * kGroup) {
            int8x16_t rows[R];
            for (int r = 0; r < R; ++r) rows[r] = without_bias(a + r * a_row);
            add_unit<0>(b, rows, sum);
            add_unit<1>(b + kGroup, rows, sum);
            add_unit<2>(b + 2 * kGroup, rows, sum);
            add_unit<3>(b + 3 * kGroup, rows, sum);
        }
    }
};

struct Smmla {
    static int32x4_t add(int32x4_t sum, int8x16_t a, int8x16_t b) { return vmmlaq_s32(sum, a, b); }
    static int8x16_t zip(int32x4_t lower, int32x4_t upper, bool second) {
        return vreinterpretq_s8_s32(second ? vzip2q_s32(lower, upper) : vzip1q_s32(lower, upper));
    }
    /// Two rows' 8 steps, the first or the second of 16.
    static int8x16_t pair(int8x16_t a, int8x16_t b, bool second) {
        const int64x2_t x = vreinterpretq_s64_s8(a), y = vreinterpretq_s64_s8(b);
        return vreinterpretq_s8_s64(second ? vzip2q_s64(x, y) : vzip1q_s64(x, y));
    }
    template <int R>
    static void block(const std::byte * a, int64_t a_row, const int32_t * b, int64_t units,
                      int32x4_t (&sum)[R][kVectors]) {
        constexpr int kPairs = (R + 1) / 2;  // of rows; the last of an odd number is taken twice
        int32x4_t squares[kPairs][2 * kVectors];
        for (auto & of_rows : squares)
            for (int32x4_t & square : of_rows) square = vdupq_n_s32(0);
        for (int64_t u = 0; u < units; u += kUnitsOfTurn, a += 16) {
            int8x16_t rows[2 * kPairs];
            for (int r = 0; r < 2 * kPairs; ++r) rows[r] = without_bias(a + (r < R ? r : R - 1) * a_row);
            for (int half = 0; half < 2; ++half, b += 2 * kGroup)
                for (int v = 0; v < kVectors; ++v) {
                    const int32x4_t lower = vld1q_s32(b + 4 * v), upper = vld1q_s32(b + kGroup + 4 * v);
                    const int8x16_t first = zip(lower, upper, false), second = zip(lower, upper, true);
                    for (int p = 0; p < kPairs; ++p) {
                        const int8x16_t of_rows = pair(rows[2 * p], rows[2 * p + 1], half == 1);
                        squares[p][2 * v] = add(squares[p][2 * v], of_rows, first);
                        squares[p][2 * v + 1] = add(squares[p][2 * v + 1], of_rows, second);
                    }
                }
        }
        for (int r = 0; r < R; ++r)
            for (int v = 0; v < kVectors; ++v) {
                const int64x2_t first = vreinterpretq_s64_s32(squares[r / 2][2 * v]);
                const int64x2_t second = vreinterpretq_s64_s32(squares[r / 2][2 * v + 1]);
                sum[r][v] = vreinterpretq_s32_s64(r % 2 ? vzip2q_s64(first, second) : vzip1q_s64(first, second));
            }
    }
};

template <int R>
void store_sums(const float32x4_t (&sums)[R][kVectors], const TargetF32 & to) {
    for (int r = 0; r < R; ++r) {
        float row[kColumns];
        for (int v = 0; v < kVectors; ++v) vst1q_f32(row + 4 * v, sums[r][v]);
        for (int64_t j = 0; j < kColumns && j < to.columns; ++j)
            to.c[r * to.ldc + j] = to.add ? to.add[r * to.ldc + j] + row[j] : row[j];
    }
}

template <class Unit, int R>
void micro_kernel_neon(const StretchesCoded & stretches, int64_t t, int64_t j, const TargetF32 & to) {
    float32x4_t sums[R][kVectors];
    for (auto & row : sums)
        for (float32x4_t & sum : row) sum = vdupq_n_f32(0);
    for (const StretchCoded * stretch = stretches.stretch; stretch < stretches.stretch + stretches.n; ++stretch) {
        const int64_t a_row = stretch->a_row;
        const std::byte * a = stretch->a + t * a_row;
        const auto * a_scales = reinterpret_cast<const std::byte *>(stretch->a_scales) + t * a_row;
        const int32_t * b = stretch->b + j;
        const float * b_scales = stretch->b_scales + j;
        for (int64_t left = stretch->steps; left > 0; left -= stretches.block) {
            const int64_t steps = left < stretches.block ? left : stretches.block;
            int32x4_t whole[R][kVectors];
            Unit::template block<R>(a, a_row, b, steps / 4, whole);
            for (int r = 0; r < R; ++r) {
                float scale;
                __builtin_memcpy(&scale, a_scales + r * a_row, sizeof(scale));
                for (int v = 0; v < kVectors; ++v) {
                    const float32x4_t y = vmulq_f32(vcvtq_f32_s32(whole[r][v]), vld1q_f32(b_scales + 4 * v));
                    sums[r][v] = vaddq_f32(sums[r][v], vmulq_f32(y, vdupq_n_f32(scale)));
                }
            }
            a += steps, b += steps / 4 * kGroup;
            a_scales += sizeof(float), b_scales += kGroup;
        }
    }
    store_sums<R>(sums, to);
}

template <class Unit>
constexpr CodedKernels neon_kernels_of() {
    return {kColumns,
            {},
            {micro_kernel_neon<Unit, 1>, micro_kernel_neon<Unit, 2>, micro_kernel_neon<Unit, 3>,
             micro_kernel_neon<Unit, 4>, micro_kernel_neon<Unit, 5>, micro_kernel_neon<Unit, 6>}};
}

}  // namespace

constinit const CodedKernels kNeonSdot = neon_kernels_of<Sdot>(), kNeonSmmla = neon_kernels_of<Smmla>();

}  // namespace ql::cpu
#endif
