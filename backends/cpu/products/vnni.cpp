// The files of the kernels are compiled where the build has flags for them (cpu.cmake says which), and entered only on a
// processor that has the instructions.
#include "backends/cpu/products/vnni.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(QL_CPU_NEON_KERNELS)
#include <sys/auxv.h>
#endif

namespace ql::cpu {
namespace {

std::optional<const CodedKernels *> replaced;

#if defined(QL_CPU_VNNI_KERNELS)
const CodedKernels * find(Isa isa) {
    uint32_t eax, ebx, ecx, edx;
    const bool avx512_vnni = __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (ecx >> 11 & 1);
    const bool avx_vnni = __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) && (eax >> 4 & 1);
    if (isa >= Isa::avx512 && avx512_vnni) return &kAvx512Vnni;
    return isa >= Isa::avx2 && avx_vnni ? &kAvxVnni : nullptr;
}
#elif defined(QL_CPU_NEON_KERNELS)
const CodedKernels * find_neon() {
    constexpr unsigned long kHasSdot = 1ul << 20, kHasSmmla = 1ul << 13;  // of asm/hwcap.h: HWCAP_ASIMDDP, HWCAP2_I8MM
    if (!(getauxval(AT_HWCAP) & kHasSdot)) return nullptr;
    return getauxval(AT_HWCAP2) & kHasSmmla ? &kNeonSmmla : &kNeonSdot;
}
#endif

}  // namespace

void replace_vnni(std::optional<const CodedKernels *> kernels) {
    replaced = kernels;
}

const CodedKernels * vnni_kernels([[maybe_unused]] Isa isa) {
#if defined(QL_CPU_VNNI_KERNELS)
    if (replaced) return *replaced;
    // CPUID is slow, and under a hypervisor an interrupt.
    static const CodedKernels *const of_avx2 = find(Isa::avx2), *const of_avx512 = find(Isa::avx512);
    if (isa >= Isa::avx2) return isa >= Isa::avx512 ? of_avx512 : of_avx2;
#elif defined(QL_CPU_NEON_KERNELS)
    if (replaced) return *replaced;
    static const CodedKernels * const of_neon = find_neon();
    if (isa == Isa::neon) return of_neon;
#endif
    return nullptr;
}

}  // namespace ql::cpu
