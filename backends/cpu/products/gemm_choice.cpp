// Which unit multiplies bf16: a function of the device alone.
#include "backends/cpu/device.hpp"
#include "backends/cpu/products/gemm_amx.hpp"

namespace ql::cpu {

void gemm(CpuDevice & cpu, const GemmBf16 & g, std::byte * scratch) {
    cpu.bf16_tiles() ? gemm_amx(cpu.pool, g, scratch) : gemm_vdpbf16(cpu.pool, g, scratch);
}

}  // namespace ql::cpu
