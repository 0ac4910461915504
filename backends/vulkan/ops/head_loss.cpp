// Output projection and cross-entropy, and their gradient: logits of some tokens at a time, in scratch. How many tokens
// follows from the vocabulary alone, so the bits do not hang on memory.
//
// A chunk is a product, a pass over each token's logits, which become their gradient, and, for the gradient, a product back.
#include <algorithm>

#include "backends/vulkan/ops/product.hpp"
#include "ggml/ops/params.hpp"

namespace ql::vulkan {
namespace {

constexpr int64_t kLogitsAtOnce = int64_t{16} << 20;

int64_t chunk_tokens(const Node & n) {
    return std::clamp<int64_t>(kLogitsAtOnce / std::max<int64_t>(n.src[1]->ne(1), 1), 1, n.src[0]->ne(1));
}
size_t logits_bytes(const Node & n, const DeviceImpl &) {
    return static_cast<size_t>(chunk_tokens(n) * n.src[1]->ne(1)) * sizeof(float);
}
Status takes_weight(const Node & n) {
    return expect_format(*n.src[1]);
}

struct LossRowsPush {
    Address logits, target, weight, nll, d_loss;
    int32_t n_vocab, n_rows;
    float cap;
};
/// Of own_logits and own_gradients; `own` are logits, or their gradients.
struct OwnPush {
    Address logits, rows, own;
    int32_t n_tokens, n_vocab, n_own;
};
struct WeightedSumPush {
    Address weight, nll, loss;
    int32_t n;
};

/// Where a node's tensors are. d_loss and dx: 0, or the gradient's.
struct Head {
    bool is_gradient;
    int first_own;  // the source of the rows with logits of their own
    Address d_loss, dx, loss, nll, down;
};

Address past(Address first, int64_t numbers) {
    return first + static_cast<Address>(numbers) * sizeof(float);
}

/// Tokens [t, t + n_tokens).
Status run_chunk(const Launch & l, const Head & h, int64_t t, int64_t n_tokens) {
    const int64_t n = l.in(0).ne(0), n_vocab = l.in(1).ne(1);
    const bool has_own = l.has(h.first_own) && l.has(h.first_own + 1);
    const int64_t n_own = has_own ? l.in(h.first_own).ne(0) : 0;
    const Address logits = at(l, l.scratch);
    QL_TRY(matmul(l, product(l, l.in(1), l.src[1], false, past(source(l, 0), t * n), n_tokens, logits)));
    OwnPush own{logits,           source(l, h.first_own), past(source(l, h.first_own + 1), t * n_own),
                number(n_tokens), number(n_vocab),        number(n_own)};
    if (has_own) QL_TRY(each_element(l, shader::own_logits, own, n_tokens));
    const LossRowsPush rows{logits,   past(source(l, 2), t), past(source(l, 3), t), past(h.nll, t),
                            h.d_loss, number(n_vocab),       number(n_tokens),      l.params<HeadLossParams>().cap};
    QL_TRY(each_row(l, shader::loss_rows, rows, n_tokens, {h.is_gradient}));
    if (!h.is_gradient) return {};
    own.own = past(h.down, t * n_own);
    if (has_own) QL_TRY(each_element(l, shader::own_gradients, own, n_tokens));
    return matmul(l, product(l, l.in(1), l.src[1], true, logits, n_tokens, past(h.dx, t * n)));
}

Status run_head(const Launch & l, const Head & h) {
    const int64_t n_tokens = l.in(0).ne(1), chunk = chunk_tokens(l.node);
    for (int64_t t = 0; t < n_tokens; t += chunk) QL_TRY(run_chunk(l, h, t, std::min(chunk, n_tokens - t)));
    return dispatch(l, shader::weighted_sum, WeightedSumPush{source(l, 3), h.nll, h.loss, number(n_tokens)}, {});
}

Status head_loss(const Launch & l) {
    return run_head(l, {false, 4, 0, 0, result(l, 0), result(l, 1), 0});
}
Status head_loss_back(const Launch & l) {
    return run_head(
        l, {true, 5, source(l, 4), result(l, 0), result(l, 1), result(l, 2), l.node.out.size() > 3 ? result(l, 3) : 0});
}

}  // namespace

const Kernel kernel::head_loss = row<::ql::vulkan::head_loss, takes_weight>(logits_bytes);
const Kernel kernel::head_loss_back = row<::ql::vulkan::head_loss_back, takes_weight>(logits_bytes);
}  // namespace ql::vulkan
