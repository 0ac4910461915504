// Independent accumulators hide the latency: 12 for 16 vector registers, 24 for 32, 4 tiles for AMX. Each function is
// compiled for its own instruction set and called only where CPU and operating system have it.
#include "tools/bench/peak_kernels.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif
#if defined(__linux__) && defined(__x86_64__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace ql::cli {
namespace {

#if defined(__x86_64__)
float sse(int64_t n) {
    __m128 a[12];
    for (int i = 0; i < 12; ++i) a[i] = _mm_set1_ps(static_cast<float>(i));
    const __m128 b = _mm_set1_ps(0.999f), c = _mm_set1_ps(0.001f);
    for (int64_t k = 0; k < n; ++k) {
#pragma GCC unroll 12
        for (int i = 0; i < 12; ++i) a[i] = _mm_add_ps(_mm_mul_ps(a[i], b), c);
    }
    for (int i = 1; i < 12; ++i) a[0] = _mm_add_ps(a[0], a[i]);
    return _mm_cvtss_f32(a[0]);
}

__attribute__((target("avx2,fma"))) float avx2(int64_t n) {
    __m256 a[12];
    for (int i = 0; i < 12; ++i) a[i] = _mm256_set1_ps(static_cast<float>(i));
    const __m256 b = _mm256_set1_ps(0.999f), c = _mm256_set1_ps(0.001f);
    for (int64_t k = 0; k < n; ++k) {
#pragma GCC unroll 12
        for (int i = 0; i < 12; ++i) a[i] = _mm256_fmadd_ps(a[i], b, c);
    }
    for (int i = 1; i < 12; ++i) a[0] = _mm256_add_ps(a[0], a[i]);
    return _mm256_cvtss_f32(a[0]);
}

// Products of 8 and of 16 bits. The barrier makes each a new one, for their operands do not change. Those of VNNI are
// written in assembly, and all their loops unrolled: else GCC 12 keeps the sums in memory, or moves them about.

float sse_int8(int64_t n) {
    __m128i a[12];
    for (int i = 0; i < 12; ++i) a[i] = _mm_set1_epi32(i);
    __m128i b = _mm_set1_epi16(3);
    const __m128i c = _mm_set1_epi16(5);
    for (int64_t k = 0; k < n; ++k) {
#pragma GCC unroll 12
        for (int i = 0; i < 12; ++i) {
            __asm__ volatile("" : "+x"(b));
            a[i] = _mm_add_epi32(a[i], _mm_madd_epi16(c, b));
        }
    }
    for (int i = 1; i < 12; ++i) a[0] = _mm_add_epi32(a[0], a[i]);
    return static_cast<float>(_mm_cvtsi128_si32(a[0]));
}

__attribute__((target("avx2"))) float avx2_int8(int64_t n) {
    __m256i a[12];
    for (int i = 0; i < 12; ++i) a[i] = _mm256_set1_epi32(i);
    __m256i b = _mm256_set1_epi8(3);
    const __m256i c = _mm256_set1_epi8(5), ones = _mm256_set1_epi16(1);
    for (int64_t k = 0; k < n; ++k) {
#pragma GCC unroll 12
        for (int i = 0; i < 12; ++i) {
            __asm__ volatile("" : "+x"(b));
            a[i] = _mm256_add_epi32(a[i], _mm256_madd_epi16(_mm256_maddubs_epi16(c, b), ones));
        }
    }
    for (int i = 1; i < 12; ++i) a[0] = _mm256_add_epi32(a[0], a[i]);
    return static_cast<float>(_mm256_extract_epi32(a[0], 0));
}

/// kBytes: vpdpbusd, else vpdpwssd.
template <bool kBytes>
__attribute__((target("avx512f,avx512vnni"))) float avx512_vnni(int64_t n) {
    __m512i a[24];
#pragma GCC unroll 24
    for (int i = 0; i < 24; ++i) a[i] = _mm512_set1_epi32(i);
    const __m512i b = kBytes ? _mm512_set1_epi8(3) : _mm512_set1_epi16(3),
                  c = kBytes ? _mm512_set1_epi8(5) : _mm512_set1_epi16(5);
    for (int64_t k = 0; k < n; ++k) {
#pragma GCC unroll 24
        for (int i = 0; i < 24; ++i)
            if constexpr (kBytes)
                __asm__("vpdpbusd %2, %1, %0" : "+v"(a[i]) : "v"(b), "v"(c));
            else
                __asm__("vpdpwssd %2, %1, %0" : "+v"(a[i]) : "v"(b), "v"(c));
    }
#pragma GCC unroll 24
    for (int i = 1; i < 24; ++i) a[0] = _mm512_add_epi32(a[0], a[i]);
    alignas(64) int32_t out[16];
    _mm512_store_si512(out, a[0]);
    return static_cast<float>(out[0]);
}

__attribute__((target("avx512f"))) float avx512(int64_t n) {
    __m512 a[24];
    for (int i = 0; i < 24; ++i) a[i] = _mm512_set1_ps(static_cast<float>(i));
    const __m512 b = _mm512_set1_ps(0.999f), c = _mm512_set1_ps(0.001f);
    for (int64_t k = 0; k < n; ++k) {
#pragma GCC unroll 24
        for (int i = 0; i < 24; ++i) a[i] = _mm512_fmadd_ps(a[i], b, c);
    }
    for (int i = 1; i < 24; ++i) a[0] = _mm512_add_ps(a[0], a[i]);
    return _mm512_cvtss_f32(a[0]);
}

__attribute__((target("avx512f,avx512bf16"))) float avx512_bf16(int64_t n) {
    __m512 a[24];
    for (int i = 0; i < 24; ++i) a[i] = _mm512_set1_ps(static_cast<float>(i));
    const __m512i ones = _mm512_set1_epi32(0x3f803f80);
    const auto b = (__m512bh)ones;
    for (int64_t k = 0; k < n; ++k) {
#pragma GCC unroll 24
        for (int i = 0; i < 24; ++i) a[i] = _mm512_dpbf16_ps(a[i], b, b);
    }
    for (int i = 1; i < 24; ++i) a[0] = _mm512_add_ps(a[0], a[i]);
    return _mm512_cvtss_f32(a[0]);
}

#if defined(__linux__)
/// Linux hands out the tile registers on request only; the permission is the process's.
bool amx_allowed() {
    constexpr long kRequestPermission = 0x1023, kTileData = 18;
    return __builtin_cpu_supports("amx-bf16") && ::syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

/// kBytes: tdpbssd, else tdpbf16ps.
template <bool kBytes>
__attribute__((target("amx-tile,amx-bf16,amx-int8"))) float amx(int64_t n) {
    struct alignas(64) TileConfig {
        uint8_t palette = 1, start = 0, reserved[14] = {};
        uint16_t row_bytes[16] = {};
        uint8_t rows[16] = {};
    } config;
    for (int i = 0; i < 8; ++i) config.row_bytes[i] = 64, config.rows[i] = 16;
    __asm__ volatile("ldtilecfg %0" ::"m"(config));  // _tile_loadconfig of GCC 12 reads 8 of the 64 bytes
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_zero(4);
    _tile_zero(5);
    _tile_zero(6);
    _tile_zero(7);
    for (int64_t k = 0; k < n; ++k) {
        if constexpr (kBytes) {
            _tile_dpbssd(0, 4, 6);
            _tile_dpbssd(1, 4, 7);
            _tile_dpbssd(2, 5, 6);
            _tile_dpbssd(3, 5, 7);
        } else {
            _tile_dpbf16ps(0, 4, 6);
            _tile_dpbf16ps(1, 4, 7);
            _tile_dpbf16ps(2, 5, 6);
            _tile_dpbf16ps(3, 5, 7);
        }
    }
    alignas(64) float out[256];
    _tile_stored(0, out, 64);
    _tile_release();
    return out[0];
}
#endif
#elif defined(__aarch64__)
float neon(int64_t n) {
    float32x4_t a[24];
    for (int i = 0; i < 24; ++i) a[i] = vdupq_n_f32(static_cast<float>(i));
    const float32x4_t b = vdupq_n_f32(0.999f), c = vdupq_n_f32(0.001f);
    for (int64_t k = 0; k < n; ++k) {
#pragma GCC unroll 24
        for (int i = 0; i < 24; ++i) a[i] = vfmaq_f32(c, a[i], b);
    }
    for (int i = 1; i < 24; ++i) a[0] = vaddq_f32(a[0], a[i]);
    return vgetq_lane_f32(a[0], 0);
}

/// Of codes in 16 bits, as the product takes them; sdot is not in every processor.
float neon_int8(int64_t n) {
    int32x4_t a[24];
    for (int i = 0; i < 24; ++i) a[i] = vdupq_n_s32(i);
    const int16x4_t b = vdup_n_s16(3), c = vdup_n_s16(5);
    for (int64_t k = 0; k < n; ++k) {
#pragma GCC unroll 24
        for (int i = 0; i < 24; ++i) a[i] = vmlal_s16(a[i], b, c);
    }
    for (int i = 1; i < 24; ++i) a[0] = vaddq_s32(a[0], a[i]);
    return static_cast<float>(vgetq_lane_s32(a[0], 0));
}
#endif

}  // namespace

std::vector<PeakKernel> peak_kernels() {
    std::vector<PeakKernel> list;
#if defined(__x86_64__)
    __builtin_cpu_init();
    const bool fma = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const bool avx512f = __builtin_cpu_supports("avx512f");
    list.push_back({fma ? "peak_sse_f32" : "peak_f32", "baseline", "sse multiply, add", 12 * 4 * 2, sse});
    list.push_back({"peak_sse_int8", "int8_baseline", "pmaddwd, paddd", 12 * 8 * 2, sse_int8, "GOP/s"});
    if (fma)
        list.push_back(
            {"peak_avx2_int8", "int8_avx2", "vpmaddubsw, vpmaddwd, vpaddd", 12 * 32 * 2, avx2_int8, "GOP/s"});
    if (__builtin_cpu_supports("avx512vnni"))
        list.push_back({"peak_avx512_int8", "int8_avx512", "vpdpbusd", 24 * 64 * 2, avx512_vnni<true>, "GOP/s"});
    if (__builtin_cpu_supports("avx512vnni"))
        list.push_back({"peak_avx512_int16", "int16_avx512", "vpdpwssd", 24 * 32 * 2, avx512_vnni<false>, "GOP/s"});
    if (fma) list.push_back({avx512f ? "peak_avx2_f32" : "peak_f32", "avx2", "avx2 fma", 12 * 8 * 2, avx2});
    if (avx512f) list.push_back({"peak_f32", "avx512", "avx512 fma", 24 * 16 * 2, avx512});
    if (__builtin_cpu_supports("avx512bf16"))
        list.push_back({"peak_avx512_bf16", "avx512_bf16", "vdpbf16ps", 24 * 16 * 4, avx512_bf16});
#if defined(__linux__)
    if (amx_allowed()) list.push_back({"peak_amx_bf16", "amx", "tdpbf16ps", 4 * 16 * 16 * 32 * 2, amx<false>});
    if (amx_allowed() && __builtin_cpu_supports("amx-int8"))
        list.push_back({"peak_amx_int8", "int8_amx", "tdpbssd", 4 * 16 * 16 * 64 * 2, amx<true>, "GOP/s"});
#endif
#elif defined(__aarch64__)
    list.push_back({"peak_f32", "neon", "neon fmla", 24 * 4 * 2, neon});
    list.push_back({"peak_int8", "int8_neon", "neon smlal", 24 * 4 * 2, neon_int8, "GOP/s"});
#endif
    return list;
}

#if defined(__x86_64__)
/// Loads whole cache lines, asked for ahead across the pages at which prefetching ends: a tenth faster than half
/// lines.
__attribute__((target("avx512f"))) static uint64_t read_lines(const void * data, int64_t n) {
    constexpr int64_t kAhead = 8192;
    const char * p = static_cast<const char *>(data);
    __m512i s[4] = {};
    for (int64_t i = 0; i < n; i += 256) {
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) {
            _mm_prefetch(p + i + 64 * j + kAhead, _MM_HINT_T0);
            s[j] = _mm512_xor_si512(s[j], _mm512_loadu_si512(p + i + 64 * j));
        }
    }
    alignas(64) uint64_t all[8];
    _mm512_store_si512(all, _mm512_xor_si512(_mm512_xor_si512(s[0], s[1]), _mm512_xor_si512(s[2], s[3])));
    return all[0] ^ all[1] ^ all[2] ^ all[3] ^ all[4] ^ all[5] ^ all[6] ^ all[7];
}
#endif

uint64_t read_bytes(const void * data, int64_t n) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) return read_lines(data, n);
#endif
    typedef uint64_t V __attribute__((vector_size(32)));
    const V * p = static_cast<const V *>(data);
    V s[4] = {};
    for (int64_t i = 0; i < n / 32; i += 8) {
        for (int j = 0; j < 4; ++j) s[j] ^= p[i + j];
        for (int j = 0; j < 4; ++j) s[j] ^= p[i + 4 + j];
    }
    const V all = s[0] ^ s[1] ^ s[2] ^ s[3];
    return all[0] ^ all[1] ^ all[2] ^ all[3];
}

}  // namespace ql::cli
