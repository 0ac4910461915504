// The choice of a product's path: a function of the shape and of the device, never of a timing.
#include "backends/cpu/products/product.hpp"

#include "backends/cpu/products/gemv.hpp"

namespace ql::cpu {
namespace {

size_t rounded_bytes(const Product & p) {
    return static_cast<size_t>(bf16_stride(p.depth()) * p.rows) * sizeof(uint16_t);
}

bool few(const Product & p) {
    return p.side == Side::forward && p.rows <= kGemvRows;
}

}  // namespace

size_t product_scratch(const Product & p, const CpuDevice & cpu) {
    if (few(p)) return 0;
    return gemm_scratch(cpu.pool) + (cpu.bf16 ? rounded_bytes(p) : 0);
}

void multiply(CpuDevice & cpu, const Product & p, const float * a, float * c, std::byte * scratch) {
    if (few(p)) return gemv(cpu.pool, p.w, a, p.rows, c);
    const GemmShape shape{p.w, p.side, p.rows, c, p.columns()};
    if (!cpu.bf16) return gemm(cpu.pool, GemmF32{shape, a, p.depth()}, scratch);
    auto * rounded = reinterpret_cast<uint16_t *>(scratch + gemm_scratch(cpu.pool));
    round_rows(cpu.pool, a, p.depth(), p.rows, rounded);
    gemm(cpu.pool, GemmBf16{shape, rounded, bf16_stride(p.depth())}, scratch);
}

}  // namespace ql::cpu
