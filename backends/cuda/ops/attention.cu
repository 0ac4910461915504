// Attention and its gradient, fused: scores exist for a tile of queries and keys at a time, in shared memory.
//
// Forward: a block takes 16 queries of one head and passes over the keys that any of them sees, 32 at a time, with an
// online softmax. Backward: one kernel for dq, split in the same way; one for dk and dv, whose blocks take 16 keys of one
// key head and pass over the queries of all heads that share it. Each number of a result is summed by one thread in a
// fixed order: no atomics, the same bits every time. All is f32; a head has up to 256 numbers, which is what fits.
//
// Where the device rounds products to bf16, attention/ computes heads of the usual sizes on tensor cores.
#include <algorithm>

#include "backends/cuda/attention/heads.cuh"

namespace ql::cuda {
namespace {

constexpr int kQueries = 16, kKeys = 32, kBackKeys = 16, kAttentionThreads = 128;
constexpr int64_t kMostHead = 256, kMostHeads = 65535;  // numbers of a head; blocks of a launch's second dimension

/// The keys that a tile's queries see, in shared memory.
template <int kRows>
struct Ranges {
    int64_t begin[kRows], end[kRows];
    /// Called by all threads; shows the ranges only after a barrier.
    __device__ void load(const Heads & h, int64_t t0) {
        const int r = static_cast<int>(threadIdx.x);
        if (r >= kRows) return;
        const int64_t t = t0 + r;
        const KeyRange keys = t < h.n_tokens ? h.keys_of(t) : KeyRange{0, 0};
        begin[r] = keys.begin, end[r] = keys.end;
    }
    __device__ bool sees(int r, int64_t key) const { return key >= begin[r] && key < end[r]; }
    __device__ int64_t first() const {
        int64_t least = INT64_MAX;
        for (int r = 0; r < kRows; ++r)
            if (end[r] > begin[r] && begin[r] < least) least = begin[r];
        return least;
    }
    __device__ int64_t last() const {
        int64_t most = 0;
        for (int r = 0; r < kRows; ++r)
            if (end[r] > begin[r] && end[r] > most) most = end[r];
        return most;
    }
};

/// Rows of d numbers in shared memory, padded so that a column's numbers lie in different banks.
struct Rows {
    float * data;
    int pitch;
    __device__ float & at(int row, int64_t i) const { return data[row * pitch + i]; }
};
__device__ float dot_of(const Rows & a, int i, const Rows & b, int j, int64_t d) {
    float sum = 0;
    for (int64_t p = 0; p < d; ++p) sum = fmaf(a.at(i, p), b.at(j, p), sum);
    return sum;
}

/// Rows of a head of [d, H, T] from t0 on; zeros past the last.
template <int kRows>
__device__ void load_rows(const float * from, int64_t d, int64_t n_heads, int64_t head, int64_t t0, int64_t n_tokens,
                          const Rows & to) {
    for (int64_t at = threadIdx.x; at < kRows * d; at += kAttentionThreads) {
        const int row = static_cast<int>(at / d);
        to.at(row, at % d) = t0 + row < n_tokens ? from[((t0 + row) * n_heads + head) * d + at % d] : 0;
    }
}

// Forward.

struct AttentionShared {
    Ranges<kQueries> ranges;
    float top[kQueries], sum[kQueries], keep[kQueries];
    float p[kQueries][kKeys + 1];
    float rows[1];  // q, o, and keys or values
};
size_t forward_bytes(int64_t d) {
    return sizeof(AttentionShared) + static_cast<size_t>((2 * kQueries + kKeys) * (d + 1)) * sizeof(float);
}

__device__ void load_cache(const Cache & cache, const Heads & h, int64_t kv, int64_t j0, const Rows & to) {
    for (int64_t at = threadIdx.x; at < kKeys * h.d; at += kAttentionThreads) {
        const int row = static_cast<int>(at / h.d);
        to.at(row, at % h.d) =
            j0 + row < h.n_keys ? cache.numbers[(cache.rows.row(j0 + row) * h.n_kv + kv) * h.d + at % h.d] : 0;
    }
}

/// Eight neighbouring threads share a query's row of scores, which become probabilities under the new maximum.
__device__ void soften(AttentionShared & s) {
    const int r = static_cast<int>(threadIdx.x) / 8, part = static_cast<int>(threadIdx.x) % 8;
    float top = s.top[r], sum = 0;
    for (int c = part; c < kKeys; c += 8) top = fmaxf(top, s.p[r][c]);
    for (int by = 4; by > 0; by /= 2) top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, by));
    for (int c = part; c < kKeys; c += 8) {
        // A query that has seen no key yet has no maximum; NaN stays NaN.
        const float p = s.p[r][c] == -INFINITY ? 0 : expf(s.p[r][c] - top);
        s.p[r][c] = p;
        sum += p;
    }
    for (int by = 4; by > 0; by /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, by);
    __syncwarp();
    if (part != 0) return;
    const float keep = s.top[r] == -INFINITY ? 0 : expf(s.top[r] - top);
    s.keep[r] = keep;
    s.sum[r] = s.sum[r] * keep + sum;
    s.top[r] = top;
}

__global__ void __launch_bounds__(kAttentionThreads)
    attention_kernel(Heads h, Cache keys, Cache values, float * o, float * lse) {
    auto & s = shared_memory<AttentionShared>();
    const int64_t t0 = static_cast<int64_t>(blockIdx.x) * kQueries, head = blockIdx.y, kv = head / (h.n_heads / h.n_kv);
    const int pitch = static_cast<int>(h.d) + 1, thread = static_cast<int>(threadIdx.x);
    const Rows q{s.rows, pitch}, sums{s.rows + kQueries * pitch, pitch}, tile{s.rows + 2 * kQueries * pitch, pitch};
    s.ranges.load(h, t0);
    if (thread < kQueries) s.top[thread] = -INFINITY, s.sum[thread] = 0;
    load_rows<kQueries>(h.q, h.d, h.n_heads, head, t0, h.n_tokens, q);
    for (int64_t at = thread; at < kQueries * h.d; at += kAttentionThreads)
        sums.at(static_cast<int>(at / h.d), at % h.d) = 0;
    __syncthreads();
    const int64_t last = s.ranges.last();
    for (int64_t j0 = last > 0 ? s.ranges.first() / kKeys * kKeys : 0; j0 < last; j0 += kKeys) {
        load_cache(keys, h, kv, j0, tile);
        __syncthreads();
        for (int at = thread; at < kQueries * kKeys; at += kAttentionThreads) {
            const int r = at / kKeys, c = at % kKeys;
            s.p[r][c] = s.ranges.sees(r, j0 + c) ? h.score(dot_of(q, r, tile, c, h.d)) : -INFINITY;
        }
        __syncthreads();
        soften(s);
        load_cache(values, h, kv, j0, tile);
        __syncthreads();
        for (int64_t at = thread; at < kQueries * h.d; at += kAttentionThreads) {
            const int r = static_cast<int>(at / h.d);
            float sum = sums.at(r, at % h.d) * s.keep[r];
            for (int c = 0; c < kKeys; ++c)
                if (s.ranges.sees(r, j0 + c)) sum = fmaf(s.p[r][c], tile.at(c, at % h.d), sum);
            sums.at(r, at % h.d) = sum;
        }
        __syncthreads();
    }
    for (int64_t at = thread; at < kQueries * h.d; at += kAttentionThreads) {
        const int r = static_cast<int>(at / h.d);
        if (t0 + r >= h.n_tokens) continue;
        const bool empty = s.ranges.end[r] == s.ranges.begin[r];
        o[((t0 + r) * h.n_heads + head) * h.d + at % h.d] = empty ? 0 : sums.at(r, at % h.d) / s.sum[r];
    }
    if (thread < kQueries && t0 + thread < h.n_tokens) {
        const bool empty = s.ranges.end[thread] == s.ranges.begin[thread];
        lse[(t0 + thread) * h.n_heads + head] = empty ? 0 : s.top[thread] + logf(s.sum[thread]);
    }
}

Status accepts(const Node & n, const DeviceImpl &) {
    if (n.src[0]->ne(0) > kMostHead)
        return error(QL_UNSUPPORTED, "no CUDA kernel takes heads of more than %d numbers", static_cast<int>(kMostHead));
    if (n.src[0]->ne(1) > kMostHeads)
        return error(QL_UNSUPPORTED, "no CUDA kernel takes more than %d heads", static_cast<int>(kMostHeads));
    return {};
}

size_t forward_scratch(const Node & n, const DeviceImpl & device) {
    return cuda_of(device).bf16 && is_for_tensor_cores(n) ? tensor_attention_scratch(n) : 0;
}
Status attention(const Launch & l) {
    if (is_for_tensor_cores(l)) return tensor_attention(l);
    const Heads h = heads_of(l, 3);
    if (h.n_tokens == 0) return {};
    return run(l, attention_kernel, dim3(blocks_of(h.n_tokens, kQueries), static_cast<unsigned>(h.n_heads)),
               kAttentionThreads, forward_bytes(h.d), h, cache_of(l, 1), cache_of(l, 2), l.y(0), l.y(1));
}

// Backward.

struct BackShared {
    Ranges<kQueries> ranges;
    float c[kQueries], lse[kQueries];
    float p[kQueries][kBackKeys + 1], ds[kQueries][kBackKeys + 1];
    float rows[1];
};
/// `n` tiles of 16 rows.
size_t backward_bytes(int64_t d, int n) {
    return sizeof(BackShared) + static_cast<size_t>(n * 16 * (d + 1)) * sizeof(float);
}

/// Probabilities of a tile, and the gradients of its scores times the scale.
__device__ void score_tile(const Heads & h, BackShared & s, int64_t j0, const Rows & q, const Rows & d_o,
                           const Rows & k, const Rows & v) {
    for (int at = static_cast<int>(threadIdx.x); at < kQueries * kBackKeys; at += kAttentionThreads) {
        const int r = at / kBackKeys, c = at % kBackKeys;
        float p = 0, ds = 0;
        if (s.ranges.sees(r, j0 + c)) {
            const float score = h.score(dot_of(q, r, k, c, h.d));
            p = expf(score - s.lse[r]);
            ds = h.scale * h.slope(score) * p * (dot_of(d_o, r, v, c, h.d) - s.c[r]);
        }
        s.p[r][c] = p, s.ds[r][c] = ds;
    }
}

__global__ void __launch_bounds__(kAttentionThreads)
    query_gradient_kernel(Gradient g, float * dots) {  // [H, T]: do . o

    auto & s = shared_memory<BackShared>();
    const Heads & h = g.h;
    const int64_t t0 = static_cast<int64_t>(blockIdx.x) * kQueries, head = blockIdx.y, kv = head / (h.n_heads / h.n_kv);
    const int pitch = static_cast<int>(h.d) + 1, thread = static_cast<int>(threadIdx.x);
    const auto rows = [&](int i) { return Rows{s.rows + i * 16 * pitch, pitch}; };
    const Rows q = rows(0), d_o = rows(1), dq = rows(2), k = rows(3), v = rows(4);
    s.ranges.load(h, t0);
    load_rows<kQueries>(h.q, h.d, h.n_heads, head, t0, h.n_tokens, q);
    load_rows<kQueries>(g.d_o, h.d, h.n_heads, head, t0, h.n_tokens, d_o);
    load_rows<kQueries>(g.o, h.d, h.n_heads, head, t0, h.n_tokens, dq);
    __syncthreads();
    if (thread < kQueries) {
        const bool known = t0 + thread < h.n_tokens;
        const int64_t at = (t0 + thread) * h.n_heads + head;
        s.c[thread] = dot_of(d_o, thread, dq, thread, h.d);
        s.lse[thread] = known ? g.lse[at] : 0;
        if (known) dots[at] = s.c[thread];
    }
    __syncthreads();
    for (int64_t at = thread; at < kQueries * h.d; at += kAttentionThreads)
        dq.at(static_cast<int>(at / h.d), at % h.d) = 0;
    const int64_t last = s.ranges.last();
    for (int64_t j0 = last > 0 ? s.ranges.first() / kBackKeys * kBackKeys : 0; j0 < last; j0 += kBackKeys) {
        load_rows<kBackKeys>(g.k, h.d, h.n_kv, kv, j0, h.n_keys, k);
        load_rows<kBackKeys>(g.v, h.d, h.n_kv, kv, j0, h.n_keys, v);
        __syncthreads();
        score_tile(h, s, j0, q, d_o, k, v);
        __syncthreads();
        for (int64_t at = thread; at < kQueries * h.d; at += kAttentionThreads) {
            const int r = static_cast<int>(at / h.d);
            float sum = dq.at(r, at % h.d);
            for (int c = 0; c < kBackKeys; ++c) sum = fmaf(s.ds[r][c], k.at(c, at % h.d), sum);
            dq.at(r, at % h.d) = sum;
        }
        __syncthreads();
    }
    for (int64_t at = thread; at < kQueries * h.d; at += kAttentionThreads) {
        const int r = static_cast<int>(at / h.d);
        if (t0 + r < h.n_tokens) g.dq[((t0 + r) * h.n_heads + head) * h.d + at % h.d] = dq.at(r, at % h.d);
    }
}

__global__ void __launch_bounds__(kAttentionThreads) key_gradient_kernel(Gradient g, const float * dots) {
    auto & s = shared_memory<BackShared>();
    const Heads & h = g.h;
    const int64_t j0 = static_cast<int64_t>(blockIdx.x) * kBackKeys, kv = blockIdx.y, group = h.n_heads / h.n_kv;
    const int pitch = static_cast<int>(h.d) + 1, thread = static_cast<int>(threadIdx.x);
    const auto rows = [&](int i) { return Rows{s.rows + i * 16 * pitch, pitch}; };
    const Rows k = rows(0), v = rows(1), dk = rows(2), dv = rows(3), q = rows(4), d_o = rows(5);
    load_rows<kBackKeys>(g.k, h.d, h.n_kv, kv, j0, h.n_keys, k);
    load_rows<kBackKeys>(g.v, h.d, h.n_kv, kv, j0, h.n_keys, v);
    for (int64_t at = thread; at < kBackKeys * h.d; at += kAttentionThreads) {
        dk.at(static_cast<int>(at / h.d), at % h.d) = 0;
        dv.at(static_cast<int>(at / h.d), at % h.d) = 0;
    }
    for (int64_t t0 = 0; t0 < h.n_tokens; t0 += kQueries) {
        __syncthreads();
        s.ranges.load(h, t0);
        __syncthreads();
        bool seen = false;
        for (int r = 0; r < kQueries; ++r) seen |= s.ranges.begin[r] < j0 + kBackKeys && s.ranges.end[r] > j0;
        if (!seen) continue;  // of all threads alike
        for (int64_t head = kv * group; head < (kv + 1) * group; ++head) {
            load_rows<kQueries>(h.q, h.d, h.n_heads, head, t0, h.n_tokens, q);
            load_rows<kQueries>(g.d_o, h.d, h.n_heads, head, t0, h.n_tokens, d_o);
            if (thread < kQueries) {
                const bool known = t0 + thread < h.n_tokens;
                s.c[thread] = known ? dots[(t0 + thread) * h.n_heads + head] : 0;
                s.lse[thread] = known ? g.lse[(t0 + thread) * h.n_heads + head] : 0;
            }
            __syncthreads();
            score_tile(h, s, j0, q, d_o, k, v);
            __syncthreads();
            for (int64_t at = thread; at < kBackKeys * h.d; at += kAttentionThreads) {
                const int c = static_cast<int>(at / h.d);
                float sum_k = dk.at(c, at % h.d), sum_v = dv.at(c, at % h.d);
                for (int r = 0; r < kQueries; ++r) {
                    sum_k = fmaf(s.ds[r][c], q.at(r, at % h.d), sum_k);
                    sum_v = fmaf(s.p[r][c], d_o.at(r, at % h.d), sum_v);
                }
                dk.at(c, at % h.d) = sum_k, dv.at(c, at % h.d) = sum_v;
            }
            __syncthreads();
        }
    }
    for (int64_t at = thread; at < kBackKeys * h.d; at += kAttentionThreads) {
        const int c = static_cast<int>(at / h.d);
        if (j0 + c >= h.n_keys) continue;
        const int64_t to = ((j0 + c) * h.n_kv + kv) * h.d + at % h.d;
        g.dk[to] = dk.at(c, at % h.d), g.dv[to] = dv.at(c, at % h.d);
    }
}

size_t back_scratch(const Node & n, const DeviceImpl & device) {
    const size_t dots = static_cast<size_t>(n.src[4]->shape.elements()) * sizeof(float);
    const bool tensor = cuda_of(device).bf16 && is_for_tensor_cores(n);
    return tensor ? std::max(dots, tensor_attention_back_scratch(n)) : dots;
}
Status attention_back(const Launch & l) {
    if (is_for_tensor_cores(l)) return tensor_attention_back(l);
    const Gradient g = gradient_of(l);
    auto * dots = reinterpret_cast<float *>(l.scratch);
    const int64_t d = g.h.d;
    if (g.h.n_tokens > 0)
        QL_TRY(run(l, query_gradient_kernel,
                   dim3(blocks_of(g.h.n_tokens, kQueries), static_cast<unsigned>(g.h.n_heads)), kAttentionThreads,
                   backward_bytes(d, 5), g, dots));
    return run(l, key_gradient_kernel, dim3(blocks_of(g.h.n_keys, kBackKeys), static_cast<unsigned>(g.h.n_kv)),
               kAttentionThreads, backward_bytes(d, 6), g, dots);
}

}  // namespace

const Kernel kernel::attention = {.launch = ::ql::cuda::attention, .scratch = forward_scratch, .accepts = accepts};
const Kernel kernel::attention_back = {
    .launch = ::ql::cuda::attention_back, .scratch = back_scratch, .accepts = accepts};
}  // namespace ql::cuda
