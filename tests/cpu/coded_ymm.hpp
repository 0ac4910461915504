// The kernels of AVX-VNNI in the encoding of AVX-512 VNNI, for tests on processors that have the latter alone.
#pragma once
#include "backends/cpu/products/coded_panel.hpp"

namespace ql::cpu {

/// Null where the build has no flags for them; else to be entered only where there is AVX-512 VNNI.
const CodedKernels * ymm_kernels();

}  // namespace ql::cpu
