// The choice of a product's path: a function of the shapes and of the device, never of a timing.
#include "backends/cpu/products/product.hpp"

#include <algorithm>

#include "backends/cpu/products/gemv.hpp"

namespace ql::cpu {
namespace {

size_t rounded_bytes(const Product & p, int64_t rows) {
    return p.a_bf16 ? 0 : bf16_rows_bytes(p.depth(), rows);
}

size_t panel_scratch(const ProductSum & s, const CpuDevice & cpu) {
    return s.c_bf16 ? gemm_half_scratch(cpu.pool, s.products) : gemm_scratch(cpu.pool);
}

bool few(const ProductSum & s) {
    return s.rows <= kGemvRows &&
           std::all_of(s.products.begin(), s.products.end(), [](const Product & p) { return p.side == Side::forward; });
}

/// The terms' matrices A as they lie in memory, for f32 products.
void multiply_f32(CpuDevice & cpu, const ProductSum & s, std::byte * scratch) {
    std::array<Term<float>, kMaxTerms> terms;
    size_t n = 0;
    for (const Product & p : s.products) terms[n++] = {p.w, p.side, p.a_f32(), p.depth(), 1, p.scale};
    gemm(cpu.pool, GemmF32{{terms.data(), n}, s.rows, static_cast<float *>(s.c), s.products[0].columns(), s.add},
         scratch);
}

/// Each A that is not bf16 is rounded first.
void multiply_bf16(CpuDevice & cpu, const ProductSum & s, std::byte * scratch) {
    std::array<Term<uint16_t>, kMaxTerms> terms;
    size_t n = 0;
    std::byte * at = scratch + panel_scratch(s, cpu);
    for (const Product & p : s.products) {
        if (p.a_bf16) {
            terms[n++] = {p.w, p.side, static_cast<const uint16_t *>(p.a), p.depth(), 1, p.scale};
            continue;
        }
        auto * rounded = reinterpret_cast<uint16_t *>(at);
        at += rounded_bytes(p, s.rows);
        round_rows(cpu.pool, p.a_f32(), p.depth(), s.rows, rounded);
        terms[n++] = {p.w, p.side, rounded, bf16_stride(p.depth()), 1, p.scale};
    }
    GemmBf16 g{{terms.data(), n}, s.rows, static_cast<float *>(s.c), s.products[0].columns(), s.add};
    if (s.c_bf16) g.c_half = static_cast<uint16_t *>(s.c), g.c = nullptr;
    gemm(cpu, g, scratch);
}

}  // namespace

size_t product_scratch(const ProductSum & s, const CpuDevice & cpu) {
    if (few(s)) return gemv_scratch(s, cpu);
    size_t bytes = panel_scratch(s, cpu);
    if (!cpu.bf16) return bytes;
    for (const Product & p : s.products) bytes += rounded_bytes(p, s.rows);
    return bytes;
}

void multiply(CpuDevice & cpu, const ProductSum & s, std::byte * scratch) {
    if (few(s)) return gemv(cpu, s, scratch);
    cpu.bf16 ? multiply_bf16(cpu, s, scratch) : multiply_f32(cpu, s, scratch);
}

}  // namespace ql::cpu
