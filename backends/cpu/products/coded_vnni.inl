// The micro-kernel of vpdpwssd (pairs) and vpdpbusd (quads), for vectors V of 512 or of 256 bits. Neither instruction
// saturates, and coded_panel.hpp says how a sum of bytes without a sign becomes one of codes.
//
// A unit of steps loads the columns' vectors of B, broadcasts a unit of each row of A, and makes rows x vectors products
// that add up 2 or 4 codes each: 6 x 4 with 32 registers, 6 x 2 with 16. Sums in f32 lie in L1, and take up the sums of
// integers at the end of a block.
//
// The products are written in assembly: GCC 12 moves a sum to another register for each of these intrinsics, and back,
// which takes half of the rate.
//
// Included by translation units that are compiled for VNNI and entered only where the processor has it; nothing here may
// call an inline function of another file that is not always inlined.
#pragma once
#include <immintrin.h>

#include "backends/cpu/products/coded_panel.hpp"

namespace ql::cpu {
namespace {

template <class V, int R>
[[gnu::always_inline]] inline void store_sums(const float * sums, const TargetF32 & to) {
    for (int r = 0; r < R; ++r)
        for (int v = 0; v < V::kVectors; ++v) {
            const int64_t at = r * to.ldc + v * V::kLanes, left = to.columns - v * V::kLanes;
            if (left <= 0) break;  // a whole vector behind the last column
            const typename V::Mask there = V::first(left);
            auto y = V::load(sums + (r * V::kVectors + v) * V::kLanes);
            if (to.add) y = V::add(V::load_part(to.add + at, there), y);
            V::store_part(to.c + at, there, y);
        }
}

template <class V, bool kQuads, int R>
[[gnu::noinline]] void micro_kernel_vnni(const StretchesCoded & stretches, int64_t t, int64_t j, const TargetF32 & to) {
    constexpr int NV = V::kVectors, kLanes = V::kLanes, kSteps = kQuads ? 4 : 2;
    alignas(64) float sums[R * NV * kLanes];
    const auto add_block = [&](const typename V::Int(&sum)[R][NV], const std::byte * a_scales, int64_t a_row,
                               const float * b_scales, auto old) __attribute__((always_inline)) {
#pragma GCC unroll 6
        for (int r = 0; r < R; ++r) {
            float scale;
            __builtin_memcpy(&scale, a_scales + r * a_row, sizeof(scale));
#pragma GCC unroll 4
            for (int v = 0; v < NV; ++v) {
                float * at = sums + (r * NV + v) * kLanes;
                const auto y = V::multiply(V::to_float(sum[r][v]), V::load(b_scales + v * kLanes));
                V::store(at, V::add(old(at), V::multiply(y, V::broadcast(scale))));
            }
        }
    };
    bool first = true;
    for (int r = 0; r < R; ++r)
        for (int v = 0; v < NV; ++v) __builtin_prefetch(to.c + r * to.ldc + v * kLanes, 1);
    for (const StretchCoded * stretch = stretches.stretch; stretch < stretches.stretch + stretches.n; ++stretch) {
        const int64_t a_row = stretch->a_row;
        const std::byte * a = stretch->a + t * a_row;
        const auto * a_scales = reinterpret_cast<const std::byte *>(stretch->a_scales) + t * a_row;
        const int32_t * b = stretch->b + j;
        const int32_t * starts = stretch->b_starts + j;
        const float * b_scales = stretch->b_scales + j;
        for (int64_t left = stretch->steps; left > 0; left -= stretches.block) {
            typename V::Int sum[R][NV];
#pragma GCC unroll 4
            for (int v = 0; v < NV; ++v) {
                const auto start = kQuads ? V::load_units(starts + v * kLanes) : V::zero();
#pragma GCC unroll 6
                for (int r = 0; r < R; ++r) sum[r][v] = start;
            }
            const int64_t units = (left < stretches.block ? left : stretches.block) / kSteps;
            for (const int32_t * end = b + units * kGroup; b < end; a += sizeof(int32_t), b += kGroup) {
                typename V::Int x[NV];
#pragma GCC unroll 4
                for (int v = 0; v < NV; ++v) x[v] = V::load_units(b + v * kLanes);
#pragma GCC unroll 6
                for (int r = 0; r < R; ++r) {
                    int32_t unit;
                    __builtin_memcpy(&unit, a + r * a_row, sizeof(unit));
                    const auto y = V::broadcast(unit);
#pragma GCC unroll 4
                    for (int v = 0; v < NV; ++v)
                        sum[r][v] = kQuads ? V::add_quads(sum[r][v], y, x[v]) : V::add_pairs(sum[r][v], y, x[v]);
                }
            }
            if (first)
                add_block(sum, a_scales, a_row, b_scales, [](const float *) { return V::broadcast(0.0f); });
            else
                add_block(sum, a_scales, a_row, b_scales, [](const float * at) { return V::load(at); });
            first = false;
            a_scales += sizeof(float), b_scales += kGroup, starts += kGroup;
        }
    }
    store_sums<V, R>(sums, to);
}

template <class V>
constexpr CodedKernels vnni_kernels_of() {
    return {V::kLanes * V::kVectors,
            {micro_kernel_vnni<V, false, 1>, micro_kernel_vnni<V, false, 2>, micro_kernel_vnni<V, false, 3>,
             micro_kernel_vnni<V, false, 4>, micro_kernel_vnni<V, false, 5>, micro_kernel_vnni<V, false, 6>},
            {micro_kernel_vnni<V, true, 1>, micro_kernel_vnni<V, true, 2>, micro_kernel_vnni<V, true, 3>,
             micro_kernel_vnni<V, true, 4>, micro_kernel_vnni<V, true, 5>, micro_kernel_vnni<V, true, 6>}};
}

}  // namespace
}  // namespace ql::cpu
