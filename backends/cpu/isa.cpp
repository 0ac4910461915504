// CPUID says what the chip can do, XGETBV what the operating system saves at a task switch; a feature counts when both
// have it. This file is compiled for the baseline, so that it runs anywhere.
#include "backends/cpu/isa.hpp"

#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

#if defined(__x86_64__)
#include <cpuid.h>

#include "ggml/core/os/os.hpp"
#endif

namespace ql::cpu {
namespace {

constexpr const char * kNames[] = {"scalar", "baseline", "avx2", "avx512", "avx512_bf16", "amx", "neon"};

#if defined(__x86_64__)
struct Leaf {
    uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

Leaf cpuid(uint32_t leaf, uint32_t sub) {
    Leaf r;
    if (!__get_cpuid_count(leaf, sub, &r.eax, &r.ebx, &r.ecx, &r.edx)) return {};
    return r;
}

uint64_t enabled_state() {
    if (!(cpuid(1, 0).ecx >> 27 & 1)) return 0;  // OSXSAVE
    uint32_t low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low | static_cast<uint64_t>(high) << 32;
}

bool has_avx512_bf16() {
    return cpuid(7, 1).eax >> 5 & 1;
}

/// AMX-TILE and AMX-BF16, and a system that keeps the tiles' configuration and data. The system is asked here, once.
bool has_amx(uint64_t state) {
    const uint32_t features = 1u << 24 | 1u << 22, tile_state = 1u << 17 | 1u << 18;
    return (cpuid(7, 0).edx & features) == features && (state & tile_state) == tile_state && os::allow_tiles();
}

Isa detect() {
    const uint64_t state = enabled_state();
    const Leaf one = cpuid(1, 0), seven = cpuid(7, 0);
    const bool avx_state = (state & 0x6) == 0x6, avx512_state = (state & 0xe6) == 0xe6;
    const bool avx2 =
        avx_state && (seven.ebx >> 5 & 1) && (one.ecx >> 12 & 1) && (one.ecx >> 29 & 1);  // AVX2, FMA, F16C
    if (!avx2) return Isa::baseline;
    const uint32_t skylake = 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31;  // F, DQ, CD, BW, VL
    if (!avx512_state || (seven.ebx & skylake) != skylake) return Isa::avx2;
    if (!has_avx512_bf16()) return Isa::avx512;
    return has_amx(state) ? Isa::amx : Isa::avx512_bf16;  // the AMX product decodes with AVX-512 BF16
}

bool is_amd() {
    return cpuid(0, 0).ebx == 0x68747541;
}  // "Auth"enticAMD
#elif defined(__aarch64__)
Isa detect() {
    return Isa::neon;
}
#else
Isa detect() {
    return Isa::baseline;
}
#endif

bool can_run(Isa isa) {
    if (isa == Isa::scalar || isa == Isa::baseline) return true;
#if defined(__x86_64__)
    return isa != Isa::neon && isa <= best_isa();
#else
    return isa == best_isa();
#endif
}

}  // namespace

const char * isa_name(Isa isa) {
    return kNames[static_cast<int>(isa)];
}

Isa best_isa() {
    static const Isa best = detect();
    return best;
}

Result<Isa> choose_isa() {
    const char * forced = std::getenv("QL_ISA");
    if (!forced || !*forced) return best_isa();
    for (int i = 0; i < static_cast<int>(std::size(kNames)); ++i) {
        if (std::strcmp(forced, kNames[i]) != 0) continue;
        if (!can_run(static_cast<Isa>(i)))
            return error(QL_INVALID_ARGUMENT, "QL_ISA=%s: this machine cannot run it; its best is %s", forced,
                         isa_name(best_isa()));
        return static_cast<Isa>(i);
    }
    return error(QL_INVALID_ARGUMENT,
                 "QL_ISA=%s: unknown; one of scalar, baseline, avx2, avx512, avx512_bf16, amx, neon", forced);
}

bool bf16_is_fast(Isa isa) {
#if defined(__x86_64__)
    // Tiles multiply at fourteen times the rate of f32 FMA. AMD since Zen 4 runs vdpbf16ps at twice that rate; on
    // Intel's Xeons measured so far it is slower than FMA.
    return isa == Isa::amx || (isa == Isa::avx512_bf16 && is_amd());
#else
    (void)isa;
    return false;
#endif
}

const char * chip_name() {
    static const std::string name = [] {
        std::ifstream info("/proc/cpuinfo");
        for (std::string line; std::getline(info, line);)
            if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
        return std::string();
    }();
    return name.c_str();
}

}  // namespace ql::cpu
