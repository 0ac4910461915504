// Two kernels, chosen by the number of queries: blocks of queries share K and V, a few queries split the keys.
#include "backends/cpu/attention/shape.hpp"

namespace ql::cpu {
namespace {

size_t scratch(const Node & n, const DeviceImpl & d) {
    const AttentionShape s(n);
    const int threads = cpu_of(d).pool.threads();
    return s.n_tokens <= kFewTokens ? attention_few_scratch(s, threads) : attention_blocks_scratch(s, threads);
}

Status launch(const Launch & l) {
    return l.in(0).ne(2) <= kFewTokens ? attention_few(l) : attention_blocks(l);
}

}  // namespace

const Kernel kernel::attention = {launch, scratch};

}  // namespace ql::cpu
