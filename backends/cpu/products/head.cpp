// Tokens that have a target are taken together, 128 at a time: their logits by a product, softmax and loss row by row,
// and for the gradient the logits, now dlogits, go through the backward product at once.
//
// Split of work: the products' own, and rows of logits for softmax. A row's sums and the order of chunks depend on the
// shapes alone. Memory traffic of a chunk: the head twice (once without gradient); logits written, read by softmax
// twice, written in bf16 where products compute in it (half of the bytes, in place), read by the backward product. 128
// tokens: the head's decoding is 3 to 4 % of its products there, and 49152 x 128 logits are 25 MB.
#include "backends/cpu/products/head.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "backends/cpu/products/gemm.hpp"
#include "backends/cpu/products/softmax.hpp"
#include "ggml/dtypes/half.hpp"

namespace ql::cpu {
namespace {

constexpr int64_t kChunk = 128;

/// Where everything lies in scratch.
struct Layout {
    size_t rows, rounded, logits, ids, end;
    int64_t row_length;  // of padded logits; the pad also keeps rows from sharing cache sets

    Layout(const Weight & w, int64_t tokens, const CpuDevice & cpu)
        : row_length((w.m + kLogitPad - 1) / kLogitPad * kLogitPad + kLogitPad) {
        const auto n_rows = static_cast<size_t>(std::min(kChunk, tokens));
        const auto align = [](size_t bytes) { return (bytes + 63) / 64 * 64; };
        rows = gemm_scratch(cpu.pool);
        rounded = rows + align(n_rows * static_cast<size_t>(w.k) * sizeof(float));
        logits = rounded + (cpu.bf16 ? align(n_rows * static_cast<size_t>(bf16_stride(w.k)) * sizeof(uint16_t)) : 0);
        ids = logits + align(n_rows * static_cast<size_t>(row_length) * sizeof(float));
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
          ids_(reinterpret_cast<int32_t *>(scratch + at_.ids)) {}

    void run() {
        const int64_t n_active = choose_tokens();
        for (int64_t first = 0; first < n_active; first += kChunk) {
            const int64_t n = std::min(kChunk, n_active - first);
            gather(ids_ + first, n);
            project(n);
            cpu_.pool.run(n, [&](int64_t i, int) { row_loss(ids_[first + i], i); });
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
        if (!cpu_.bf16) return multiply<float>(Side::forward, n, rows_, head_.w.k, logits_, at_.row_length);
        auto * rounded = reinterpret_cast<uint16_t *>(scratch_ + at_.rounded);
        round_rows(cpu_.pool, rows_, head_.w.k, n, rounded);
        multiply<uint16_t>(Side::forward, n, rounded, bf16_stride(head_.w.k), logits_, at_.row_length);
    }

    template <typename T>
    void multiply(Side side, int64_t n, const T * a, int64_t a_row, float * c, int64_t ldc) {
        const Term<T> term[] = {{head_.w, side, a, a_row}};
        gemm(cpu_.pool, Gemm<T>{term, n, c, ldc}, scratch_);
    }

    /// The loss of token t, whose logits are row i; with a gradient, the row becomes dlogits.
    void row_loss(int64_t t, int64_t i) {
        float * logits = logits_ + i * at_.row_length;
        std::fill(logits + head_.w.m, logits + at_.row_length, -std::numeric_limits<float>::infinity());
        const int64_t target = head_.target[t];
        const bool known = target < head_.w.m;
        const SoftmaxSum s = softmax_sum(logits, at_.row_length);
        const double logit = known ? static_cast<double>(logits[target]) : std::numeric_limits<double>::quiet_NaN();
        head_.nll[t] = static_cast<float>(static_cast<double>(s.largest) - logit + std::log(s.sum));
        if (!head_.dx) return;

        const float factor = *head_.dloss * head_.weight[t];
        const double p = known ? std::exp(logit - static_cast<double>(s.largest)) / s.sum : 0;
        const auto at_target = static_cast<float>(static_cast<double>(factor) * (p - 1));
        if (cpu_.bf16) {
            scaled_softmax_bf16(logits, at_.row_length, s, factor);
            if (known) reinterpret_cast<uint16_t *>(logits)[target] = f32_to_bf16(at_target);
        } else {
            scaled_softmax(logits, at_.row_length, s, factor);
            if (known) logits[target] = at_target;
        }
    }

    /// dx of the chunk's tokens from dlogits.
    void give_back(const int32_t * ids, int64_t n) {
        if (cpu_.bf16)
            multiply(Side::backward, n, reinterpret_cast<const uint16_t *>(logits_), 2 * at_.row_length, rows_,
                     head_.w.k);
        else
            multiply<float>(Side::backward, n, logits_, at_.row_length, rows_, head_.w.k);
        for (int64_t i = 0; i < n; ++i) std::copy_n(rows_ + i * head_.w.k, head_.w.k, head_.dx + ids[i] * head_.w.k);
    }

    CpuDevice & cpu_;
    const HeadLoss & head_;
    const Layout at_;
    std::byte * const scratch_;
    float * const rows_;
    float * const logits_;
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
