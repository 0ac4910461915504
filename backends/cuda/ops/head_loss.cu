// Output projection and cross-entropy, and their gradient: logits of some tokens at a time, in scratch. How many tokens
// follows from the vocabulary alone, so the bits do not hang on memory.
//
// A chunk is a product, one pass of a block a token over its logits (which become their gradient), and, for the gradient,
// a product back.
#include <algorithm>

#include "backends/cuda/products/product.hpp"
#include "ggml/ops/params.hpp"

namespace ql::cuda {
namespace {

constexpr int64_t kLogitsAtOnce = int64_t{16} << 20;
constexpr int kLossThreads = 256, kLossWarps = kLossThreads / 32;

int64_t chunk_tokens(const Node & n) {
    return std::clamp<int64_t>(kLogitsAtOnce / std::max<int64_t>(n.src[1]->ne(1), 1), 1, n.src[0]->ne(1));
}

/// The logits of a chunk, and what is known of its tokens.
struct LossRows {
    float * logits;  // [V, tokens]
    int64_t n_vocab;
    const int32_t * target;
    const float * weight;
    float * nll;
    float cap;
    const int32_t * rows;  // [R] with logits of their own, or null
    const float * own;     // [R, tokens]
    int64_t n_own;
    const float * d_loss;  // null: no gradient
    float * down;          // [R, tokens]: the gradient of `own`
};

struct LossShared {
    float part[kLossWarps];
};

template <typename Join>
__device__ float join_block(float x, LossShared & s, const Join & join) {
    for (int by = 16; by > 0; by /= 2) x = join(x, __shfl_xor_sync(0xffffffffu, x, by));
    __syncthreads();
    if (threadIdx.x % 32 == 0) s.part[threadIdx.x / 32] = x;
    __syncthreads();
    x = s.part[0];
    for (int i = 1; i < kLossWarps; ++i) x = join(x, s.part[i]);
    return x;
}
struct Larger {
    __device__ float operator()(float a, float b) const { return fmaxf(a, b); }
};
struct Plus {
    __device__ float operator()(float a, float b) const { return a + b; }
};

__device__ float capped(float x, float cap) {
    return cap > 0 ? cap * tanhf(x / cap) : x;
}
__device__ float cap_slope(float x, float cap) {
    return cap > 0 ? 1 - x / cap * (x / cap) : 1;
}

__global__ void __launch_bounds__(kLossThreads) loss_kernel(LossRows l) {
    auto & s = shared_memory<LossShared>();
    const int64_t t = blockIdx.x, thread = threadIdx.x;
    float * logit = l.logits + t * l.n_vocab;
    const int64_t target = l.target[t];
    if (target < 0) {
        if (thread == 0) l.nll[t] = 0;
        if (!l.d_loss) return;
        for (int64_t v = thread; v < l.n_vocab; v += kLossThreads) logit[v] = 0;
        for (int64_t r = thread; r < l.n_own; r += kLossThreads) l.down[t * l.n_own + r] = 0;
        return;
    }
    for (int64_t r = 0; thread == 0 && r < l.n_own; ++r)
        if (l.rows[r] >= 0 && l.rows[r] < l.n_vocab) logit[l.rows[r]] = l.own[t * l.n_own + r];
    __syncthreads();
    float top = -INFINITY, sum = 0;
    for (int64_t v = thread; v < l.n_vocab; v += kLossThreads) top = fmaxf(top, capped(logit[v], l.cap));
    top = join_block(top, s, Larger());
    for (int64_t v = thread; v < l.n_vocab; v += kLossThreads) sum += expf(capped(logit[v], l.cap) - top);
    const float lse = top + logf(join_block(sum, s, Plus()));
    const float known = target < l.n_vocab ? lse - capped(logit[target], l.cap) : NAN;
    if (thread == 0) l.nll[t] = known;
    if (!l.d_loss) return;
    __syncthreads();
    const float factor = l.d_loss[0] * l.weight[t];
    for (int64_t v = thread; v < l.n_vocab; v += kLossThreads) {
        const float x = capped(logit[v], l.cap);
        logit[v] = cap_slope(x, l.cap) * factor * (expf(x - lse) - (v == target ? 1 : 0));
    }
    __syncthreads();
    for (int64_t r = 0; thread == 0 && r < l.n_own; ++r) {
        const bool is_row = l.rows[r] >= 0 && l.rows[r] < l.n_vocab;
        l.down[t * l.n_own + r] = is_row ? logit[l.rows[r]] : 0;
        if (is_row) logit[l.rows[r]] = 0;
    }
}

struct WeightedSum {
    const float *weight, *nll;
    float * loss;
    int64_t n;
    __device__ void operator()(int64_t, int lane) const {
        double sum = 0;
        for (int64_t t = lane; t < n; t += 32) sum += static_cast<double>(weight[t]) * static_cast<double>(nll[t]);
        sum = warp_sum(sum);
        if (lane == 0) loss[0] = static_cast<float>(sum);
    }
};

Status accepts(const Node & n, const DeviceImpl &) {
    return expect_format(*n.src[1]);
}
size_t logits_bytes(const Node & n) {
    return (static_cast<size_t>(chunk_tokens(n) * n.src[1]->ne(1)) * sizeof(float) + 255) / 256 * 256;
}
size_t scratch(const Node & n, const DeviceImpl & device) {
    return logits_bytes(n) + product_scratch(*n.src[1], device);
}

/// first_own: the source of the rows with logits of their own. d_loss and dx: null, or the gradient's.
Status head(const Launch & l, int first_own, const float * d_loss, float * dx, float * loss, float * nll,
            float * down) {
    const int64_t n = l.in(0).ne(0), n_tokens = l.in(0).ne(1), n_vocab = l.in(1).ne(1);
    const bool has_own = l.has(first_own) && l.has(first_own + 1);
    const int64_t n_own = has_own ? l.in(first_own).ne(0) : 0, chunk = chunk_tokens(l.node);
    auto * logits = reinterpret_cast<float *>(l.scratch);
    std::byte * panel = l.scratch + logits_bytes(l.node);
    Product forward{.w = weight_of(l.in(1), l.src[1]),
                    .dtype = l.in(1).dtype,
                    .transposed = false,
                    .y = logits,
                    .n_batch = n_tokens};
    for (int64_t t = 0; t < n_tokens; t += chunk) {
        forward.n_tokens = std::min(chunk, n_tokens - t);
        forward.x = l.x(0) + t * n;
        QL_TRY(multiply(l, forward, panel));
        const LossRows rows{logits,
                            n_vocab,
                            l.ids(2) + t,
                            l.x(3) + t,
                            nll + t,
                            l.params<HeadLossParams>().cap,
                            has_own ? l.ids(first_own) : nullptr,
                            has_own ? l.x(first_own + 1) + t * n_own : nullptr,
                            n_own,
                            d_loss,
                            down ? down + t * n_own : nullptr};
        QL_TRY(run(l, loss_kernel, static_cast<unsigned>(forward.n_tokens), kLossThreads, sizeof(LossShared), rows));
        if (!d_loss) continue;
        Product back = forward;
        back.transposed = true, back.x = logits, back.y = dx + t * n;
        QL_TRY(multiply(l, back, panel));
    }
    return for_each_row(l, WeightedSum{l.x(3), nll, loss, n_tokens}, 1);
}
Status head_loss(const Launch & l) {
    return head(l, 4, nullptr, nullptr, l.y(0), l.y(1), nullptr);
}
Status head_loss_back(const Launch & l) {
    return head(l, 5, l.x(4), l.y(0), l.y(1), l.y(2), l.node.out.size() > 3 ? l.y(3) : nullptr);
}

}  // namespace

const Kernel kernel::head_loss = {.launch = ::ql::cuda::head_loss, .scratch = scratch, .accepts = accepts};
const Kernel kernel::head_loss_back = {.launch = ::ql::cuda::head_loss_back, .scratch = scratch, .accepts = accepts};
}  // namespace ql::cuda
