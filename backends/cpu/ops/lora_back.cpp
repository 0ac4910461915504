// dh = s B^T dy; dB = s h dy^T; dA = x dh^T: f32 products.
//
// Split of work: that of the products: tokens for dh, columns of dy and x for dB and dA. Sums over tokens are in order.
// dB [r, m] has narrow rows, so its transpose is computed - dy is then read along its rows - and turned at the end.
// Memory traffic: dy twice, x once.
#include "backends/cpu/device.hpp"
#include "backends/cpu/products/gemm.hpp"
#include "ggml/ops/params.hpp"

namespace ql::cpu {
namespace {

size_t scratch(const Node & n, const DeviceImpl & device) {
    return gemm_scratch(cpu_of(device).pool) + n.src[4]->bytes();
}

/// dst [r, m] = the transpose of src [m, r].
void turn(Pool & pool, const float * src, int64_t m, int64_t r, float * dst) {
    constexpr int64_t kRows = 64;
    pool.run((m + kRows - 1) / kRows, [&](int64_t task, int) {
        for (int64_t i = task * kRows; i < m && i < (task + 1) * kRows; ++i)
            for (int64_t j = 0; j < r; ++j) dst[i * r + j] = src[j * m + i];
    });
}

Status launch(const Launch & l) {
    const int64_t m = l.in(0).ne(0), k = l.in(1).ne(0), r = l.in(2).ne(0), tokens = l.in(0).ne(1);
    const float *dy = l.x(0), *x = l.x(1), *h = l.x(2), *b = l.x(4);
    float *da = l.y(0), *db = l.y(1), *dh = l.y(2);
    const float scale = l.params<LoraParams>().scale;
    Pool & pool = device_of(l).pool;
    auto * turned = reinterpret_cast<float *>(l.scratch + gemm_scratch(pool));

    const Term<float> to_dh[] = {{f32_weight(b, r, m), Side::backward, dy, m, 1, scale}};
    gemm(pool, GemmF32{to_dh, tokens, dh, r}, l.scratch);
    const Term<float> to_db[] = {{f32_weight(dy, m, tokens), Side::backward, h, 1, r, scale}};
    gemm(pool, GemmF32{to_db, r, turned, m}, l.scratch);
    turn(pool, turned, m, r, db);
    const Term<float> to_da[] = {{f32_weight(x, k, tokens), Side::backward, dh, 1, r}};
    gemm(pool, GemmF32{to_da, r, da, k}, l.scratch);
    return {};
}

}  // namespace

const Kernel kernel::lora_back = {launch, scratch};
}  // namespace ql::cpu
