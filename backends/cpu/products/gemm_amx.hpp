// The bf16 product on AMX tiles.
#pragma once
#include "backends/cpu/products/gemm.hpp"

namespace ql::cpu {

/// As gemm_vdpbf16(); only where the processor has AMX and the system gives out the tile registers (Isa::amx).
void gemm_amx(Pool & pool, const GemmBf16 & g, std::byte * scratch);

}  // namespace ql::cpu
