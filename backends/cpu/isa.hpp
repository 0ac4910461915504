// Which instruction set the kernels use: what the processor and the operating system offer, narrowed by $QL_ISA.
#pragma once
#include "ql/status.hpp"

namespace ql::cpu {

enum class Isa : int { scalar, baseline, avx2, avx512, avx512_bf16, amx, neon };

const char * isa_name(Isa isa);
/// The best set that processor and operating system both support.
Isa best_isa();
/// best_isa(), or the one that $QL_ISA names; an error if it is unknown or not there.
Result<Isa> choose_isa();
/// The fixed table over processor families (never a timing): true where bf16 products are faster than f32 ones.
bool bf16_is_fast(Isa isa);
/// The processor's own name for itself, "" where unknown.
const char * chip_name();

}  // namespace ql::cpu
