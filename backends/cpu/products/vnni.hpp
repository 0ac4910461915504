// Which kernels of VNNI a device has: instructions that multiply integers and add them up.
#pragma once
#include "backends/cpu/isa.hpp"
#include "backends/cpu/products/coded_panel.hpp"

namespace ql::cpu {

extern constinit const CodedKernels kAvx512Vnni, kAvxVnni;

/// Those that the processor has under an instruction set; null where there are none.
const CodedKernels * vnni_kernels(Isa isa);
/// In the whole process, as limit_targets: for tests of what processors without them do.
void forbid_vnni(bool forbid);

}  // namespace ql::cpu
