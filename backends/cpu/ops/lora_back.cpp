// dh = s B^T dy; dB = s h dy^T; dA = x dh^T: the first a product, the others sums over tokens - of outer_bf16.hpp where
// dy or x come in bf16, else f32 products. In f32 dB [r, m], whose rows are narrow, is computed as its transpose - dy
// is then read along its rows - and turned at the end.
//
// Split of work: tokens for dh, columns of dy and x for dB and dA. Sums over tokens are in order.
// Memory traffic: dy twice, x once.
#include "backends/cpu/ops/product_operands.hpp"
#include "backends/cpu/products/outer_bf16.hpp"
#include "ggml/ops/params.hpp"

namespace ql::cpu {
namespace {

/// Where everything lies in scratch: the products' own, dB turned, and h and dh as the sums in bf16 take them.
struct Layout {
    size_t turned, rounded, end;
    Layout(const Node & n, const CpuDevice & cpu) {
        const int64_t tokens = n.src[0]->ne(1), r = n.src[2]->ne(0);
        const auto align = [](size_t bytes) { return (bytes + 63) / 64 * 64; };
        const Product to_dh = product_at(n, nullptr);
        turned = align(product_scratch({{&to_dh, 1}, tokens}, cpu));
        rounded = turned + align(n.src[4]->bytes());
        end = rounded + outer_scratch(2, r, tokens);
    }
    /// dy as the operand of B^T.
    static Product product_at(const Node & n, const void * const * src, float scale = 1) {
        return {weight_of(*n.src[4], src ? src[4] : nullptr), Side::backward, src ? src[0] : nullptr, scale,
                n.src[0]->dtype == QL_BF16};
    }
};

/// dst [r, m] = s times the transpose of src [m, r].
void turn(Pool & pool, const float * src, int64_t m, int64_t r, float s, float * dst) {
    constexpr int64_t kRows = 64;
    pool.run((m + kRows - 1) / kRows, [&](int64_t task, int) {
        for (int64_t i = task * kRows; i < m && i < (task + 1) * kRows; ++i)
            for (int64_t j = 0; j < r; ++j) dst[i * r + j] = s * src[j * m + i];
    });
}

/// c [n, r] = sum_t left[j, t] right[i, t], with left [r, tokens] and right [n, tokens].
void outer_f32(const Launch & l, const float * left, int64_t r, size_t right, float * c) {
    const Operand & x = *l.node.src[right];
    const Term<float> term[] = {{weight_of(x, l.src[right]), Side::backward, left, 1, r}};
    gemm(device_of(l).pool, GemmF32{term, r, c, x.ne(0)}, l.scratch);
}

size_t scratch(const Node & n, const DeviceImpl & device) {
    return Layout(n, cpu_of(device)).end;
}

Status launch(const Launch & l) {
    const int64_t m = l.in(0).ne(0), r = l.in(2).ne(0), tokens = l.in(0).ne(1);
    const float * h = l.x(2);
    float *da = l.y(0), *db = l.y(1), *dh = l.y(2);
    const float scale = l.params<LoraParams>().scale;
    CpuDevice & cpu = device_of(l);
    const Layout at(l.node, cpu);

    const Product to_dh = Layout::product_at(l.node, l.src, scale);
    multiply(cpu, {{&to_dh, 1}, tokens, dh}, l.scratch);
    std::array<OuterBf16, 2> sums;
    size_t n = 0;
    if (l.in(0).dtype == QL_BF16) {
        sums[n++] = {static_cast<const uint16_t *>(l.src[0]), m, h, scale, db, true};
    } else {
        auto * turned = reinterpret_cast<float *>(l.scratch + at.turned);
        outer_f32(l, h, r, 0, turned);
        turn(cpu.pool, turned, m, r, scale, db);
    }
    if (l.in(1).dtype == QL_BF16)
        sums[n++] = {static_cast<const uint16_t *>(l.src[1]), l.in(1).ne(0), dh, 1, da, false};
    else
        outer_f32(l, dh, r, 1, da);
    outer_sums(cpu.pool, {sums.data(), n}, r, tokens, l.scratch + at.rounded);
    return {};
}

/// dy and x, as the operands of sums over tokens.
bool reads_bf16(const Node & n, size_t source) {
    return source <= 1 && n.src[source]->ne(1) > kGemvRows;
}

}  // namespace

const Kernel kernel::lora_back = {.launch = launch, .scratch = scratch, .reads_bf16 = reads_bf16};
}  // namespace ql::cpu
