// coded_vnni.inl with vectors of 512 bits: AVX-512 VNNI.
#include "backends/cpu/products/coded_vnni.inl"
#include "backends/cpu/products/vnni.hpp"

namespace ql::cpu {
namespace {

struct Zmm {
    static constexpr int kLanes = 16, kVectors = 4;
    using Int = __m512i;
    using Float = __m512;
    using Mask = __mmask16;

    static Int zero() { return _mm512_setzero_si512(); }
    static Int load_units(const int32_t * p) { return _mm512_loadu_si512(p); }
    static Int broadcast(int32_t x) { return _mm512_set1_epi32(x); }
    static Int add_pairs(Int sum, Int a, Int b) {
        __asm__("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
        return sum;
    }
    static Int add_quads(Int sum, Int a, Int b) {
        __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
        return sum;
    }
    static Float to_float(Int x) { return _mm512_cvtepi32_ps(x); }
    static Float broadcast(float x) { return _mm512_set1_ps(x); }
    static Float load(const float * p) { return _mm512_loadu_ps(p); }
    static void store(float * p, Float x) { _mm512_storeu_ps(p, x); }
    static Float add(Float a, Float b) { return _mm512_add_ps(a, b); }
    static Float multiply(Float a, Float b) { return _mm512_mul_ps(a, b); }
    static Mask first(int64_t n) { return static_cast<Mask>(n >= kLanes ? 0xffff : (1 << n) - 1); }
    static Float load_part(const float * p, Mask there) { return _mm512_maskz_loadu_ps(there, p); }
    static void store_part(float * p, Mask there, Float x) { _mm512_mask_storeu_ps(p, there, x); }
};

}  // namespace

constinit const CodedKernels kAvx512Vnni = vnni_kernels_of<Zmm>();

}  // namespace ql::cpu
