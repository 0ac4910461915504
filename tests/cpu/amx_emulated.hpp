// The AMX product on tile registers in plain C++, for processors without AMX.
#pragma once
#include "backends/cpu/products/gemm.hpp"

namespace ql::cpu {

/// As gemm_amx(), from the same source; wants AVX-512 BF16. Throws std::logic_error where the processor would fault: a
/// shape that does not fit, a tile that has none.
void gemm_emulated(Pool & pool, const GemmBf16 & g, std::byte * scratch);

}  // namespace ql::cpu
