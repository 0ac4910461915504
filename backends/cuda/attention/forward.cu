// Which nodes of attention tensor cores compute, and the forward pass of those.
#include "backends/cuda/attention/forward.cuh"

#include "backends/cuda/products/product.hpp"

namespace ql::cuda {

bool is_for_tensor_cores(const Node & n) {
    const Shape &q = n.src[0]->shape, &k = n.src[1]->shape;
    const bool has_size = q[0] == 64 || q[0] == 80 || q[0] == 96 || q[0] == 128 || q[0] == 256;
    return has_size && !are_few(q[2]) && q[2] * (q[1] / k[1]) <= INT_MAX - kTileThreads;
}
bool is_for_tensor_cores(const Launch & l) {
    if (!device_of(l).bf16 || !is_for_tensor_cores(l.node)) return false;
    uintptr_t places = 0;
    for (size_t i = 0; i < l.node.src.size(); ++i)
        if (l.node.src[i]->dtype != QL_I32) places |= reinterpret_cast<uintptr_t>(l.src[i]);
    for (size_t i = 0; i < l.node.out.size(); ++i) places |= reinterpret_cast<uintptr_t>(l.out[i]);
    return places % 16 == 0;
}

size_t tensor_attention_scratch(const Node & n) {
    Cutter cutter(nullptr);
    cut_keys(cutter, n);
    return cutter.bytes();
}

Status tensor_attention(const Launch & l) {
    const Heads h = heads_of(l, 3);
    Cutter cutter(l.scratch);
    const RoundedKeys keys = cut_keys(cutter, l.node);
    return with_head_size(h.d, [&]<int kD>() -> Status {
        QL_TRY(round_keys<kD>(l, h, keys));
        return start_tensor_attention<kD>(l, h, keys, l.y(0), l.y(1));
    });
}

}  // namespace ql::cuda
