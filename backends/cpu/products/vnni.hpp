// Which kernels of VNNI a device has, or of what stands for it on ARM: instructions that multiply integers and add them up.
#pragma once
#include <optional>

#include "backends/cpu/isa.hpp"
#include "backends/cpu/products/coded_panel.hpp"

namespace ql::cpu {

extern constinit const CodedKernels kAvx512Vnni, kAvxVnni;
extern constinit const CodedKernels kNeonSdot, kNeonSmmla;  // of bytes alone

/// Those that the processor has under an instruction set; null where there are none.
const CodedKernels * vnni_kernels(Isa isa);
/// Tests: these, or with null none, under every set; without a value what the processor has. In the whole process, as
/// limit_targets.
void replace_vnni(std::optional<const CodedKernels *> kernels);

}  // namespace ql::cpu
