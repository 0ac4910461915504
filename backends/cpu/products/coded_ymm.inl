// Vectors of 256 bits for coded_vnni.inl. The instructions are encoded for AVX-VNNI, or for AVX-512 VNNI where the file is
// compiled for that: a test runs the one where the other is not there.
#pragma once
#include "backends/cpu/products/coded_vnni.inl"

#if defined(__AVX512VNNI__)
#define QL_VEX ""
#else
#define QL_VEX "%{vex%} "
#endif

namespace ql::cpu {
namespace {

struct Ymm {
    static constexpr int kLanes = 8, kVectors = 2;
    using Int = __m256i;
    using Float = __m256;
    using Mask = __m256i;

    static Int zero() { return _mm256_setzero_si256(); }
    static Int load_units(const int32_t * p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i *>(p)); }
    static Int broadcast(int32_t x) { return _mm256_set1_epi32(x); }
    static Int add_pairs(Int sum, Int a, Int b) {
        __asm__(QL_VEX "vpdpwssd %2, %1, %0" : "+x"(sum) : "x"(a), "x"(b));
        return sum;
    }
    static Int add_quads(Int sum, Int a, Int b) {
        __asm__(QL_VEX "vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(a), "x"(b));
        return sum;
    }
    static Float to_float(Int x) { return _mm256_cvtepi32_ps(x); }
    static Float broadcast(float x) { return _mm256_set1_ps(x); }
    static Float load(const float * p) { return _mm256_loadu_ps(p); }
    static void store(float * p, Float x) { _mm256_storeu_ps(p, x); }
    static Float add(Float a, Float b) { return _mm256_add_ps(a, b); }
    static Float multiply(Float a, Float b) { return _mm256_mul_ps(a, b); }
    static Mask first(int64_t n) {
        return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n >= kLanes ? kLanes : n)),
                                  _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    }
    static Float load_part(const float * p, Mask there) { return _mm256_maskload_ps(p, there); }
    static void store_part(float * p, Mask there, Float x) { _mm256_maskstore_ps(p, there, x); }
};

}  // namespace
}  // namespace ql::cpu
