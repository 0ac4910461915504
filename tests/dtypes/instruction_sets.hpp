// The instruction sets that ggml/dtypes was compiled for and this processor has.
#pragma once
#include <hwy/targets.h>

#include <cstdint>

namespace ql::test {

/// Calls check(disabled) with Highway's best target switched off, then the two best, and so on down to the baseline alone, and
/// switches all on again. Returns how often: 0 where one set alone is compiled or supported.
template <class Check>
int on_lesser_instruction_sets(Check check) {
    int n = 0;
    for (int64_t off = 0, set = hwy::SupportedTargets(); set != (set & -set); set &= set - 1) {  // the baseline stays
        off |= set & -set;
        hwy::DisableTargets(off);
        hwy::GetChosenTarget().Update(hwy::SupportedTargets());
        check(off);
        ++n;
    }
    hwy::DisableTargets(0);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    return n;
}

}  // namespace ql::test
