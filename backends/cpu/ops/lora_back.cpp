// dh = s B^T dy; dB = s h dy^T; dA = x dh^T: products, in bf16 where dy or x come as such, else in f32.
//
// Split of work: that of the products: tokens for dh, columns of dy and x for dB and dA. Sums over tokens are in order.
// dB [r, m] has narrow rows, so its transpose is computed - dy is then read along its rows - and turned at the end.
// Memory traffic: dy twice, x once.
#include "backends/cpu/ops/product_operands.hpp"
#include "ggml/ops/params.hpp"

namespace ql::cpu {
namespace {

/// Where everything lies in scratch: the products' own, dB turned, and h or dh turned and rounded.
struct Layout {
    size_t product, turned, rounded, end;
    Layout(const Node & n, const CpuDevice & cpu) {
        const int64_t tokens = n.src[0]->ne(1), r = n.src[2]->ne(0);
        const auto align = [](size_t bytes) { return (bytes + 63) / 64 * 64; };
        const Product to_dh = product_at(n, nullptr);
        turned = align(product_scratch({{&to_dh, 1}, tokens}, cpu));
        rounded = turned + align(n.src[4]->bytes());
        end = rounded + bf16_rows_bytes(tokens, r);
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

/// c [n, r] = sum_t left[j, t] right[i, t], with left [r, tokens] f32 and right [n, tokens] f32 or bf16.
void outer(const Launch & l, const float * left, int64_t r, size_t right, float * c) {
    const Layout at(l.node, device_of(l));
    Pool & pool = device_of(l).pool;
    const Tensor & x = *l.node.src[right];
    const int64_t n = x.ne(0), tokens = x.ne(1);
    const Weight w = weight_of(x, l.src[right]);
    if (x.dtype != QL_BF16) {
        const Term<float> term[] = {{w, Side::backward, left, 1, r}};
        return gemm(pool, GemmF32{term, r, c, n}, l.scratch);
    }
    auto * rounded = reinterpret_cast<uint16_t *>(l.scratch + at.rounded);
    round_columns(pool, left, r, tokens, rounded);
    const Term<uint16_t> term[] = {{w, Side::backward, rounded, bf16_stride(tokens)}};
    gemm(device_of(l), GemmBf16{term, r, c, n}, l.scratch);
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
    auto * turned = reinterpret_cast<float *>(l.scratch + Layout(l.node, cpu).turned);

    const Product to_dh = Layout::product_at(l.node, l.src, scale);
    multiply(cpu, {{&to_dh, 1}, tokens, dh}, l.scratch);
    outer(l, h, r, 0, turned);
    turn(cpu.pool, turned, m, r, scale, db);
    outer(l, dh, r, 1, da);
    return {};
}

/// dy and x, as the operands of sums over tokens.
bool reads_bf16(const Node & n, size_t source) {
    return source <= 1 && n.src[source]->ne(1) > kGemvRows;
}

}  // namespace

const Kernel kernel::lora_back = {.launch = launch, .scratch = scratch, .reads_bf16 = reads_bf16};
}  // namespace ql::cpu
