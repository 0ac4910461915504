// G = x y^T: the backward product of "weight" x [k, T] with y transposed, which the f32 product takes as strides. Where
// y comes in bf16, a sum of outer_bf16.hpp.
//
// y is asked for in bf16 where it is the wider of the two: the gradient of a linear's result beside what a narrow
// matrix was multiplied with.
#include "backends/cpu/products/outer_bf16.hpp"
#include "backends/cpu/products/product.hpp"
#include "backends/cpu/scratch.hpp"

namespace ql::cpu {
namespace {

/// The panels of a product in f32, or the rows of x in pairs.
size_t scratch_outer(const Node & n, const DeviceImpl & device) {
    const CpuDevice & cpu = cpu_of(device);
    if (n.src[1]->dtype == QL_BF16) return cpu.bf16->outer_scratch(1, n.src[0]->ne(0), n.src[0]->ne(1));
    return gemm_scratch(cpu.pool);
}

Status launch_outer(const Launch & l) {
    const int64_t k = l.in(0).ne(0), m = l.in(1).ne(0), tokens = l.in(0).ne(1);
    CpuDevice & cpu = device_of(l);
    if (l.in(1).dtype == QL_BF16) {
        const OuterBf16 sum{static_cast<const uint16_t *>(l.src[1]), m, l.x(0), 1, l.y(0), true};
        cpu.bf16->outer_sums(cpu.pool, {&sum, 1}, k, tokens, l.scratch);
        return {};
    }
    const Term<float> term[] = {{f32_weight(l.x(0), k, tokens), Side::backward, l.x(1), 1, m}};
    gemm(cpu.pool, GemmF32{term, m, l.y(0), k}, l.scratch);
    return {};
}

bool reads_bf16_outer(const Node & n, size_t source) {
    return source == 1 && n.src[0]->ne(0) <= n.src[1]->ne(0) && n.src[1]->ne(1) > kGemvRows;
}

}  // namespace

const Kernel kernel::outer = {.launch = launch_outer, .scratch = scratch_outer, .reads_bf16 = reads_bf16_outer};
}  // namespace ql::cpu
