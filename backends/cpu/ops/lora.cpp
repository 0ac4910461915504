// out = y + s B h, h = A x: two f32 products, the second added to y (in place where out is y).
//
// Split of work: that of the products, over tokens mostly. Memory traffic: x read, y read and written, once each; at
// rank 8 this traffic is what takes the kernel's time.
#include "backends/cpu/device.hpp"
#include "backends/cpu/products/gemm.hpp"
#include "ggml/ops/params.hpp"

namespace ql::cpu {
namespace {

size_t scratch_lora(const Node &, const DeviceImpl & device) {
    return gemm_scratch(cpu_of(device).pool);
}

Status launch_lora(const Launch & l) {
    const int64_t m = l.in(0).ne(0), k = l.in(1).ne(0), r = l.in(2).ne(1), tokens = l.in(1).ne(1);
    Pool & pool = device_of(l).pool;
    float *out = l.y(0), *h = l.y(1);
    const Term<float> down[] = {{f32_weight(l.x(2), k, r), Side::forward, l.x(1), k}};
    gemm(pool, GemmF32{down, tokens, h, r}, l.scratch);
    const Term<float> up[] = {{f32_weight(l.x(3), r, m), Side::forward, h, r, 1, l.params<LoraParams>().scale}};
    gemm(pool, GemmF32{up, tokens, out, m, l.x(0)}, l.scratch);
    return {};
}

}  // namespace

const Kernel kernel::lora = {launch_lora, scratch_lora};
}  // namespace ql::cpu
