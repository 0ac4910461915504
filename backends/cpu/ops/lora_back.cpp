// dh = s B^T dy; dB = s h dy^T; dA = x dh^T: the first is a product, the others are sums over tokens: outer_bf16.hpp's
// where dy or x come in bf16, else f32 products. In f32 dB [r, m], whose rows are narrow, is computed as its transpose,
// so that dy is read along its rows.
//
// Split of work: tokens for dh, columns of dy and x for dB and dA. Sums over tokens are in order.
// Memory traffic: dy twice, x once.
#include "backends/cpu/ops/product_operands.hpp"
#include "backends/cpu/products/outer_bf16.hpp"
#include "backends/cpu/scratch.hpp"
#include "ggml/ops/params.hpp"

namespace ql::cpu {
namespace {

/// dy as the operand of B^T.
Product to_dh(const Node & n, const void * const * src, float scale = 1) {
    return {weight_of(*n.src[4], src ? src[4] : nullptr), Side::backward, src ? src[0] : nullptr, scale,
            n.src[0]->dtype == QL_BF16};
}

struct LoraBackBuffers {
    std::byte * products;  // the products' own scratch: one in f32 needs no more than dh's
    float * transposed;    // dB
    std::byte * outer;     // of the sums in bf16

    LoraBackBuffers(Carver & carve, const Node & n, const CpuDevice & cpu) {
        const int64_t tokens = n.src[0]->ne(1), r = n.src[2]->ne(0);
        const Product p = to_dh(n, nullptr);
        products = carve.take<std::byte>(static_cast<int64_t>(product_scratch({{&p, 1}, tokens}, cpu)));
        transposed = carve.take<float>(n.src[4]->shape.elements());
        outer = carve.take<std::byte>(cpu.bf16 ? static_cast<int64_t>(cpu.bf16->outer_scratch(kMaxOuterSums, r, tokens))
                                               : 0);
    }
};

/// dst [r, m] = s times the transpose of src [m, r].
void transpose(Pool & pool, const float * src, int64_t m, int64_t r, float s, float * dst) {
    constexpr int64_t kRows = 64;
    pool.run((m + kRows - 1) / kRows, [&](int64_t task, int) {
        for (int64_t i = task * kRows; i < m && i < (task + 1) * kRows; ++i)
            for (int64_t j = 0; j < r; ++j) dst[i * r + j] = s * src[j * m + i];
    });
}

/// c [n, r] = sum_t left[j, t] right[i, t], with left [r, tokens] and right [n, tokens].
void outer_f32(const Launch & l, const float * left, int64_t r, size_t right, float * c, std::byte * panels) {
    const Operand & x = *l.node.src[right];
    const Term<float> term[] = {{weight_of(x, l.src[right]), Side::backward, left, 1, r}};
    gemm(device_of(l).pool, GemmF32{term, r, c, x.ne(0)}, panels);
}

size_t scratch_lora_back(const Node & n, const DeviceImpl & device) {
    Carver count;
    LoraBackBuffers(count, n, cpu_of(device));
    return count.used();
}

Status launch_lora_back(const Launch & l) {
    const int64_t m = l.in(0).ne(0), r = l.in(2).ne(0), tokens = l.in(0).ne(1);
    const float * h = l.x(2);
    float *da = l.y(0), *db = l.y(1), *dh = l.y(2);
    const float scale = l.params<LoraParams>().scale;
    CpuDevice & cpu = device_of(l);
    Carver carve(l.scratch);
    const LoraBackBuffers at(carve, l.node, cpu);

    const Product p = to_dh(l.node, l.src, scale);
    multiply(cpu, {{&p, 1}, tokens, dh}, at.products);
    std::array<OuterBf16, kMaxOuterSums> sums;
    size_t n = 0;
    if (l.in(0).dtype == QL_BF16) {
        sums[n++] = {static_cast<const uint16_t *>(l.src[0]), m, h, scale, db, true};
    } else {
        outer_f32(l, h, r, 0, at.transposed, at.products);
        transpose(cpu.pool, at.transposed, m, r, scale, db);
    }
    if (l.in(1).dtype == QL_BF16)
        sums[n++] = {static_cast<const uint16_t *>(l.src[1]), l.in(1).ne(0), dh, 1, da, false};
    else
        outer_f32(l, dh, r, 1, da, at.products);
    if (n > 0) cpu.bf16->outer_sums(cpu.pool, {sums.data(), n}, r, tokens, at.outer);
    return {};
}

/// dy and x, as the operands of sums over tokens.
bool reads_bf16_lora_back(const Node & n, size_t source) {
    return source <= 1 && n.src[source]->ne(1) > kGemvRows;
}

}  // namespace

const Kernel kernel::lora_back = {
    .launch = launch_lora_back, .scratch = scratch_lora_back, .reads_bf16 = reads_bf16_lora_back};
}  // namespace ql::cpu
