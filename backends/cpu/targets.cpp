#include "backends/cpu/targets.hpp"

#include <hwy/highway.h>

namespace ql::cpu {

void limit_targets(Isa isa) {
    hwy::DisableTargets(0);
    int64_t off = 0;
#if HWY_ARCH_X86
    const int64_t avx512 = HWY_AVX3 | HWY_AVX3_DL;
    if (isa < Isa::avx512) off |= avx512;
    if (isa < Isa::avx2) off |= HWY_AVX2 | HWY_SSE4 | HWY_SSSE3;
#else
    (void)isa;
#endif
    hwy::DisableTargets(off);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());  // now, rather than in the first call of each kernel
}

}  // namespace ql::cpu
