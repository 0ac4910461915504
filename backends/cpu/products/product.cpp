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

/// The products of a sum that are of integers, and those beside them.
struct CodedSum {
    std::array<Product, kMaxTerms> coded_list, beside_list;
    size_t n_coded = 0, n_beside = 0;

    explicit CodedSum(const ProductSum & s) {
        for (const Product & p : s.products) (is_coded(p) ? coded_list[n_coded++] : beside_list[n_beside++]) = p;
    }
    std::span<const Product> coded() const { return {coded_list.data(), n_coded}; }
    std::span<const Product> beside() const { return {beside_list.data(), n_beside}; }
};

/// Room for the panels, the operands' codes, and the operands beside them that are rounded to bf16.
struct CodedBuffers {
    std::byte * panels;
    std::array<std::byte *, kMaxTerms> codes;
    std::array<uint16_t *, kMaxTerms> rounded;

    CodedBuffers(Carver & carve, const CodedSum & sum, const ProductSum & s, const CpuDevice & cpu) {
        const CodedPath path = coded_path(cpu);
        const CodedRoom room = coded_room(path, sum.coded(), beside_depth(sum.beside()), s.c_bf16);
        panels = carve.take<std::byte>(static_cast<int64_t>(gemm_coded_scratch(cpu.pool, room)));
        for (size_t i = 0; i < sum.n_coded; ++i)
            codes[i] = carve.take<std::byte>(coded_stride(path, sum.coded()[i].depth()) * s.rows);
        for (size_t i = 0; i < sum.n_beside; ++i) {
            const Product & p = sum.beside()[i];
            rounded[i] = cpu.bf16 && !p.a_bf16 ? carve.take<uint16_t>(bf16_stride(p.depth()) * s.rows) : nullptr;
        }
    }
};

/// A product as a term in bf16: A where it lies, or rounded first.
Term<uint16_t> bf16_term(CpuDevice & cpu, const Product & p, int64_t rows, uint16_t * rounded) {
    if (p.a_bf16) return {p.w, p.side, static_cast<const uint16_t *>(p.a), p.depth(), 1, p.scale};
    cpu.bf16->round_rows(cpu.pool, p.a_f32(), p.depth(), rows, rounded);
    return {p.w, p.side, rounded, bf16_stride(p.depth()), 1, p.scale};
}
Term<float> f32_term(const Product & p) {
    return {p.w, p.side, p.a_f32(), p.depth(), 1, p.scale};
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
    for (const Product & p : s.products) terms[n++] = f32_term(p);
    gemm(cpu.pool, GemmF32{{terms.data(), n}, s.rows, static_cast<float *>(s.c), s.products[0].columns(), s.add},
         scratch);
}

/// Products of f32 weights are formed beside the others, in bf16 where the device has it.
void multiply_coded(CpuDevice & cpu, const ProductSum & s, std::byte * scratch) {
    Carver carve(scratch);
    const CodedSum sum(s);
    const CodedBuffers at(carve, sum, s, cpu);
    const CodedPath path = coded_path(cpu);
    std::array<Term<std::byte>, kMaxTerms> terms;
    for (size_t i = 0; i < sum.n_coded; ++i) {
        const Product & p = sum.coded()[i];
        code_rows(cpu.pool, path, p.a, p.a_bf16, p.depth(), s.rows, at.codes[i]);
        terms[i] = {p.w, p.side, at.codes[i], coded_stride(path, p.depth()), 1, p.scale};
    }
    GemmCoded g{{{terms.data(), sum.n_coded}, s.rows, nullptr, s.products[0].columns(), s.add}, {}};
    if (s.c_bf16)
        g.c_half = static_cast<uint16_t *>(s.c);
    else
        g.c = static_cast<float *>(s.c);
    std::array<Term<float>, kMaxTerms> in_f32;
    std::array<Term<uint16_t>, kMaxTerms> in_bf16;
    for (size_t i = 0; i < sum.n_beside; ++i) {
        const Product & p = sum.beside()[i];
        if (cpu.bf16)
            in_bf16[i] = bf16_term(cpu, p, s.rows, at.rounded[i]);
        else
            in_f32[i] = f32_term(p);
    }
    const GemmF32 beside_f32{{in_f32.data(), sum.n_beside}, s.rows};
    const GemmBf16 beside_bf16{{in_bf16.data(), sum.n_beside}, s.rows};
    if (sum.n_beside > 0) g.beside = cpu.bf16 ? cpu.bf16->beside(beside_bf16) : beside(beside_f32);
    gemm_coded(cpu.pool, path, g, at.panels);
}

/// Each A that is not bf16 is rounded first.
void multiply_bf16(CpuDevice & cpu, const ProductSum & s, std::byte * scratch) {
    Carver carve(scratch);
    auto * panels = carve.take<std::byte>(static_cast<int64_t>(panel_scratch(s, cpu)));
    const RoundedOperands rounded(carve, s);
    std::array<Term<uint16_t>, kMaxTerms> terms;
    size_t n = 0;
    for (const Product & p : s.products) {
        terms[n] = bf16_term(cpu, p, s.rows, rounded.of(n));
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
    if (any_coded(s, cpu)) return CodedBuffers(count, CodedSum(s), s, cpu), count.used();
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
