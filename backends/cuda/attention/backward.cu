// The backward pass of attention on tensor cores.
#include "backends/cuda/attention/backward.cuh"

namespace ql::cuda {

size_t tensor_attention_back_scratch(const Node & n) {
    Cutter cutter(nullptr);
    cut_keys(cutter, n);
    cut_rows(cutter, n);
    return cutter.bytes();
}

Status tensor_attention_back(const Launch & l) {
    const Gradient g = gradient_of(l);
    Cutter cutter(l.scratch);
    const RoundedKeys keys = cut_keys(cutter, l.node);
    const RoundedRows rows = cut_rows(cutter, l.node);
    return with_head_size(g.h.d, [&]<int kD>() -> Status {
        QL_TRY(round_keys<kD>(l, g.h, keys));
        return start_tensor_gradient<kD>(l, g, keys, rows);
    });
}

}  // namespace ql::cuda
