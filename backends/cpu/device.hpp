// The CPU as a device: its thread pool, its instruction set and the path of its products.
#pragma once
#include "backends/cpu/isa.hpp"
#include "backends/cpu/pool.hpp"
#include "ggml/backend/backend.hpp"

namespace ql::cpu {

class CpuDevice : public DeviceImpl {
  public:
    CpuDevice(Isa isa, int threads, bool bf16) : isa(isa), bf16(bf16), pool(threads) {}

    const Isa isa;
    const bool bf16;  // operands of products are rounded to bf16
    Pool pool;

    /// Which instruction multiplies bf16, in products with weights and in attention: AMX's tdpbf16ps where there is
    /// AMX, else vdpbf16ps. A processor with AMX runs the latter slower than f32 FMA: what is computed and does not go
    /// through tiles stays f32 there. Sums that wait for memory use it all the same (gemv_bf16.cpp, outer_bf16.cpp).
    bool bf16_tiles() const { return bf16 && isa == Isa::amx; }
    bool bf16_vectors() const { return bf16 && isa == Isa::avx512_bf16; }
};

inline CpuDevice & device_of(const Launch & l) {
    return static_cast<CpuDevice &>(l.device);
}
inline const CpuDevice & cpu_of(const DeviceImpl & d) {
    return static_cast<const CpuDevice &>(d);
}

/// Runs the operator's scalar reference: what $QL_ISA=scalar does for every operator.
Status launch_reference(const Launch & l);

// The rows of the table, one definition each in backends/cpu/ops/<op>.cpp.
namespace kernel {
#define QL_OP(name) extern const Kernel name;
#include "ggml/ops/ops.def"
}  // namespace kernel

}  // namespace ql::cpu
