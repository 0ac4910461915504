// Tokens that have a target are taken together, a chunk at a time: their logits by a product, softmax and loss row by
// row, and for the gradient the logits, now dlogits, go through the backward product at once.
//
// Where products compute in bf16 logits come out in f16 - 11 bits of 16 times the spread of a vocabulary's logits -,
// and turn into dlogits in bf16 where they lie: a chunk of 256 tokens is then as large as one of 128 in f32, 25 MB for
// 49152 logits, and the head is decoded half as often.
//
// Split of work: the products' own, and rows of logits for softmax. A row's sums and the order of chunks depend on the
// shapes alone. Memory traffic of a chunk: the head twice (once without gradient); logits written, read and written
// again by softmax twice, read by the backward product.
#include "backends/cpu/products/head.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "backends/cpu/products/gemm.hpp"
#include "backends/cpu/products/softmax.hpp"
#include "ggml/dtypes/half.hpp"

namespace ql::cpu {
namespace {

constexpr int64_t kChunkF32 = 128, kChunkBf16 = 256;

int64_t chunk_of(int64_t tokens, const CpuDevice & cpu) {
    return std::min(tokens, cpu.bf16 ? kChunkBf16 : kChunkF32);
}

/// Where everything lies in scratch.
struct Layout {
    size_t rows, rounded, logits, tops, ids, end;
    int64_t row_length;  // of padded logits; the pad also keeps rows from sharing cache sets
    int64_t tops_length() const { return softmax_blocks(row_length); }

    Layout(const Weight & w, int64_t tokens, const CpuDevice & cpu)
        : row_length((w.m + kLogitPad - 1) / kLogitPad * kLogitPad + kLogitPad) {
        const auto n_rows = static_cast<size_t>(chunk_of(tokens, cpu));
        const auto align = [](size_t bytes) { return (bytes + 63) / 64 * 64; };
        const Term<uint16_t> project[] = {{w, Side::forward}};
        rows = cpu.bf16 ? gemm_half_scratch(cpu.pool, project) : gemm_scratch(cpu.pool);
        rounded = rows + align(n_rows * static_cast<size_t>(w.k) * sizeof(float));
        logits = rounded + (cpu.bf16 ? align(bf16_rows_bytes(w.k, chunk_of(tokens, cpu))) : 0);
        tops = logits + align(n_rows * static_cast<size_t>(row_length) * (cpu.bf16 ? sizeof(uint16_t) : sizeof(float)));
        ids = tops + (cpu.bf16 ? align(static_cast<size_t>(cpu.pool.threads() * tops_length()) * sizeof(float)) : 0);
        end = ids + align(static_cast<size_t>(tokens) * sizeof(int32_t));
    }
};

class Head {
  public:
    Head(CpuDevice & cpu, const HeadLoss & head, std::byte * scratch)
        : cpu_(cpu),
          head_(head),
          at_(head.w, head.tokens, cpu),
          scratch_(scratch),
          rows_(reinterpret_cast<float *>(scratch + at_.rows)),
          logits_(reinterpret_cast<float *>(scratch + at_.logits)),
          half_logits_(reinterpret_cast<uint16_t *>(scratch + at_.logits)),
          ids_(reinterpret_cast<int32_t *>(scratch + at_.ids)) {}

    void run() {
        const int64_t n_active = choose_tokens();
        const int64_t chunk = chunk_of(head_.tokens, cpu_);
        for (int64_t first = 0; first < n_active; first += chunk) {
            const int64_t n = std::min(chunk, n_active - first);
            gather(ids_ + first, n);
            project(n);
            cpu_.pool.run(n, [&](int64_t i, int thread) {
                cpu_.bf16 ? row_loss_bf16(ids_[first + i], i, thread) : row_loss_f32(ids_[first + i], i);
            });
            if (head_.dx) give_back(ids_ + first, n);
        }
        double loss = 0;
        for (int64_t t = 0; t < head_.tokens; ++t)
            if (head_.target[t] >= 0) loss += static_cast<double>(head_.weight[t]) * static_cast<double>(head_.nll[t]);
        *head_.loss = static_cast<float>(loss);
    }

  private:
    /// Lists the tokens with a target; the others' results are zero.
    int64_t choose_tokens() {
        int64_t n_active = 0;
        for (int64_t t = 0; t < head_.tokens; ++t) {
            if (head_.target[t] >= 0) {
                ids_[n_active++] = static_cast<int32_t>(t);
                continue;
            }
            head_.nll[t] = 0;
            if (head_.dx) std::fill_n(head_.dx + t * head_.w.k, head_.w.k, 0.0f);
        }
        return n_active;
    }

    void gather(const int32_t * ids, int64_t n) {
        for (int64_t i = 0; i < n; ++i) std::copy_n(head_.x + ids[i] * head_.w.k, head_.w.k, rows_ + i * head_.w.k);
    }

    void project(int64_t n) {
        if (!cpu_.bf16) {
            const Term<float> term[] = {{head_.w, Side::forward, rows_, head_.w.k}};
            return gemm(cpu_.pool, GemmF32{term, n, logits_, at_.row_length}, scratch_);
        }
        auto * rounded = reinterpret_cast<uint16_t *>(scratch_ + at_.rounded);
        round_rows(cpu_.pool, rows_, head_.w.k, n, rounded);
        const Term<uint16_t> term[] = {{head_.w, Side::forward, rounded, bf16_stride(head_.w.k)}};
        GemmBf16 g{term, n, nullptr, at_.row_length};
        g.c_half = half_logits_, g.half = Half::f16;
        gemm(cpu_, g, scratch_);
    }

    /// -log softmax at the target; NaN for a target that the vocabulary does not have.
    float nll(SoftmaxSum s, int64_t target, float logit) const {
        if (target >= head_.w.m) return std::numeric_limits<float>::quiet_NaN();
        return static_cast<float>(static_cast<double>(s.largest) - static_cast<double>(logit) + std::log(s.sum));
    }
    float factor(int64_t t) const { return *head_.dloss * head_.weight[t]; }
    /// dlogit of the target itself: factor (p - 1).
    static float at_target(SoftmaxSum s, float logit, float factor) {
        const double p = std::exp(static_cast<double>(logit) - static_cast<double>(s.largest)) / s.sum;
        return static_cast<float>(static_cast<double>(factor) * (p - 1));
    }

    /// The loss of token t, whose logits are row i; with a gradient, the row becomes dlogits.
    void row_loss_f32(int64_t t, int64_t i) {
        float * logits = logits_ + i * at_.row_length;
        std::fill(logits + head_.w.m, logits + at_.row_length, -std::numeric_limits<float>::infinity());
        const int64_t target = head_.target[t];
        const float logit = logits[std::min(target, head_.w.m - 1)];
        const SoftmaxSum s = softmax_sum(logits, at_.row_length);
        head_.nll[t] = nll(s, target, logit);
        if (!head_.dx) return;
        scaled_softmax(logits, at_.row_length, s, factor(t));
        if (target < head_.w.m) logits[target] = at_target(s, logit, factor(t));
    }

    void row_loss_bf16(int64_t t, int64_t i, int thread) {
        constexpr uint16_t kMinusInfinity = 0xfc00;  // of f16
        uint16_t * logits = half_logits_ + i * at_.row_length;
        std::fill(logits + head_.w.m, logits + at_.row_length, kMinusInfinity);
        const int64_t target = head_.target[t];
        const float logit = f16_to_f32(logits[std::min(target, head_.w.m - 1)]);
        float * tops = head_.dx ? reinterpret_cast<float *>(scratch_ + at_.tops) + thread * at_.tops_length() : nullptr;
        const SoftmaxSum s = softmax_sum_f16(logits, at_.row_length, tops);
        head_.nll[t] = nll(s, target, logit);
        if (!head_.dx) return;
        scale_exponentials(logits, at_.row_length, tops, s, factor(t));
        if (target < head_.w.m) logits[target] = f32_to_bf16(at_target(s, logit, factor(t)));
    }

    /// dx of the chunk's tokens from dlogits.
    void give_back(const int32_t * ids, int64_t n) {
        if (cpu_.bf16) {
            const Term<uint16_t> term[] = {{head_.w, Side::backward, half_logits_, at_.row_length}};
            gemm(cpu_, GemmBf16{term, n, rows_, head_.w.k}, scratch_);
        } else {
            const Term<float> term[] = {{head_.w, Side::backward, logits_, at_.row_length}};
            gemm(cpu_.pool, GemmF32{term, n, rows_, head_.w.k}, scratch_);
        }
        for (int64_t i = 0; i < n; ++i) std::copy_n(rows_ + i * head_.w.k, head_.w.k, head_.dx + ids[i] * head_.w.k);
    }

    CpuDevice & cpu_;
    const HeadLoss & head_;
    const Layout at_;
    std::byte * const scratch_;
    float * const rows_;
    float * const logits_;
    uint16_t * const half_logits_;  // the same bytes, where products compute in bf16
    int32_t * const ids_;
};

}  // namespace

size_t head_loss_scratch(const Weight & w, int64_t tokens, const CpuDevice & cpu) {
    return Layout(w, tokens, cpu).end;
}

void head_loss(CpuDevice & cpu, const HeadLoss & head, std::byte * scratch) {
    Head(cpu, head, scratch).run();
}

}  // namespace ql::cpu
