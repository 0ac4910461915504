// The choice of a product's path: a function of the shapes and of the device, never of a timing.
#include "backends/cpu/products/product.hpp"

#include <algorithm>

#include "backends/cpu/products/gemv.hpp"
#include "backends/cpu/products/coded.hpp"
#include "backends/cpu/scratch.hpp"

namespace ql::cpu {
namespace {

/// Room for the operands that are rounded first; null for one that comes in bf16.
class RoundedOperands {
  public:
    RoundedOperands(Carver & carve, const ProductSum & s) {
        size_t n = 0;
        for (const Product & p : s.products)
            rows_[n++] = p.a_bf16 ? nullptr : carve.take<uint16_t>(bf16_stride(p.depth()) * s.rows);
    }
    uint16_t * of(size_t i) const { return rows_[i]; }

  private:
    std::array<uint16_t *, kMaxTerms> rows_;
};

bool is_coded(const Product & p) {
    return has_coded_product(p.w.dtype);
}
bool any_coded(const ProductSum & s, const CpuDevice & cpu) {
    return cpu.coding && std::any_of(s.products.begin(), s.products.end(), is_coded);
}

/// Room for the panels, which products in f32 and of integers use one after the other, and for the operands' codes.
struct CodedBuffers {
    std::byte * panels;
    std::array<std::byte *, kMaxTerms> codes;

    CodedBuffers(Carver & carve, const ProductSum & s, const CpuDevice & cpu) {
        panels =
            carve.take<std::byte>(static_cast<int64_t>(std::max(gemm_scratch(cpu.pool), gemm_coded_scratch(cpu.pool))));
        const CodedPath path = coded_path(cpu);
        size_t n = 0;
        for (const Product & p : s.products)
            codes[n++] = is_coded(p) ? carve.take<std::byte>(coded_stride(path, p.depth()) * s.rows) : nullptr;
    }
};

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

/// Products of f32 weights first, in f32; the others are added to what they give.
void multiply_coded(CpuDevice & cpu, const ProductSum & s, std::byte * scratch) {
    Carver carve(scratch);
    const CodedBuffers at(carve, s, cpu);
    std::array<Product, kMaxTerms> full;
    std::array<Term<std::byte>, kMaxTerms> terms;
    const CodedPath path = coded_path(cpu);
    size_t n_full = 0, n = 0;
    for (size_t i = 0; i < s.products.size(); ++i) {
        const Product & p = s.products[i];
        if (!is_coded(p)) {
            full[n_full++] = p;
            continue;
        }
        code_rows(cpu.pool, path, p.a_f32(), p.depth(), s.rows, at.codes[i]);
        terms[n++] = {p.w, p.side, at.codes[i], coded_stride(path, p.depth()), 1, p.scale};
    }
    auto * c = static_cast<float *>(s.c);
    if (n_full > 0) multiply_f32(cpu, {{full.data(), n_full}, s.rows, c, s.add}, at.panels);
    gemm_coded(cpu.pool, path, {{terms.data(), n}, s.rows, c, s.products[0].columns(), n_full > 0 ? c : s.add},
               at.panels);
}

/// Each A that is not bf16 is rounded first.
void multiply_bf16(CpuDevice & cpu, const ProductSum & s, std::byte * scratch) {
    Carver carve(scratch);
    auto * panels = carve.take<std::byte>(static_cast<int64_t>(panel_scratch(s, cpu)));
    const RoundedOperands rounded(carve, s);
    std::array<Term<uint16_t>, kMaxTerms> terms;
    size_t n = 0;
    for (const Product & p : s.products) {
        if (p.a_bf16) {
            terms[n++] = {p.w, p.side, static_cast<const uint16_t *>(p.a), p.depth(), 1, p.scale};
            continue;
        }
        cpu.bf16->round_rows(cpu.pool, p.a_f32(), p.depth(), s.rows, rounded.of(n));
        terms[n] = {p.w, p.side, rounded.of(n), bf16_stride(p.depth()), 1, p.scale};
        ++n;
    }
    GemmBf16 g{{terms.data(), n}, s.rows, static_cast<float *>(s.c), s.products[0].columns(), s.add};
    if (s.c_bf16) g.c_half = static_cast<uint16_t *>(s.c), g.c = nullptr;
    cpu.bf16->gemm(cpu.pool, g, panels);
}

}  // namespace

size_t product_scratch(const ProductSum & s, const CpuDevice & cpu) {
    if (few(s)) return gemv_scratch(s, cpu);
    Carver count;
    if (any_coded(s, cpu)) return CodedBuffers(count, s, cpu), count.used();
    count.take<std::byte>(static_cast<int64_t>(panel_scratch(s, cpu)));
    if (cpu.bf16) RoundedOperands(count, s);
    return count.used();
}

void multiply(CpuDevice & cpu, const ProductSum & s, std::byte * scratch) {
    if (few(s)) return gemv(cpu, s, scratch);
    if (any_coded(s, cpu)) return multiply_coded(cpu, s, scratch);
    cpu.bf16 ? multiply_bf16(cpu, s, scratch) : multiply_f32(cpu, s, scratch);
}

}  // namespace ql::cpu
