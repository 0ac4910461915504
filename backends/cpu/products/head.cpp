// Tokens that have a target are taken together, a chunk at a time: their logits by a product, softmax and loss row by
// row, and for the gradient the logits, now dlogits, go through the backward product at once.
//
// Where products compute in bf16, logits come out in f16 (11 bits of 16 times the spread of a vocabulary's logits) and
// become dlogits in bf16 where they lie: a chunk of 256 tokens is then as large as one of 128 in f32, 25 MB for
// 49152 logits, and the head is decoded half as often. Where they compute of integers, dlogits are rounded where they lie, as
// soon as a row has them.
//
// Split of work: the products' own, and rows of logits for softmax. A row's sums and the order of chunks depend on the
// shapes alone. Memory traffic of a chunk: the head twice (once without gradient); logits written, read and written
// again by softmax twice, read by the backward product.
#include "backends/cpu/products/head.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "backends/cpu/products/gemm.hpp"
#include "backends/cpu/products/coded.hpp"
#include "backends/cpu/products/soft_cap.hpp"
#include "backends/cpu/products/softmax.hpp"
#include "backends/cpu/scratch.hpp"
#include "ggml/dtypes/half.hpp"

namespace ql::cpu {
namespace {

constexpr int64_t kChunkF32 = 128, kChunkBf16 = 256;

int64_t chunk_of(int64_t tokens, const CpuDevice & cpu) {
    return std::min(tokens, cpu.bf16 ? kChunkBf16 : kChunkF32);
}

/// How the head is rounded to integers, if it is. Codes of dlogits in 16 bits take their place in bytes alone.
CodedPath coded_of(const Weight & w, const CpuDevice & cpu) {
    const CodedPath path = coded_path(cpu);
    return path && has_coded_product(w.dtype) && (!cpu.bf16 || in_bytes(path)) ? path : CodedPath{};
}

/// What lies in scratch.
struct HeadBuffers {
    int64_t row_length;  // of padded logits; the pad also keeps rows from sharing cache sets
    std::byte * panels;
    float * rows;            // [chunk][n]: x of the chunk's tokens, then dx
    std::byte * codes;       // of x; none where the head is not rounded to integers
    float * scales;          // [thread][blocks of a row]: of dlogits, as above
    uint16_t * rounded;      // rows in bf16. Here and below: none where products compute in f32
    float * logits;          // [chunk][row_length]
    uint16_t * half_logits;  // the same in 16 bits; one of the two is null
    float * tops;            // [thread][blocks of a row]
    float * slopes;          // [thread][V] of a soft cap; none without one
    int32_t * ids;           // [tokens]: those with a target

    HeadBuffers(Carver & carve, const Weight & w, int64_t tokens, bool capped, const CpuDevice & cpu)
        : row_length((w.m + kLogitPad - 1) / kLogitPad * kLogitPad + kLogitPad) {
        const int64_t n_rows = chunk_of(tokens, cpu);
        const Term<uint16_t> project[] = {{w, Side::forward}};
        const CodedPath coded = coded_of(w, cpu);
        if (coded) row_length = std::max(row_length, 3 * kLogitPad);  // 64 codes and their scale
        const size_t panel_bytes =
            coded      ? gemm_coded_scratch(cpu.pool, coded_room(coded, project, 0, cpu.bf16 != nullptr))
            : cpu.bf16 ? gemm_half_scratch(cpu.pool, project)
                       : gemm_scratch(cpu.pool);
        panels = carve.take<std::byte>(static_cast<int64_t>(panel_bytes));
        rows = carve.take<float>(n_rows * w.k);
        codes = carve.take<std::byte>(coded ? coded_stride(coded, w.k) * n_rows : 0);
        scales = carve.take<float>(coded ? cpu.pool.threads() * coded_blocks(*coded.coding, w.m) : 0);
        rounded = carve.take<uint16_t>(cpu.bf16 && !coded ? bf16_stride(w.k) * n_rows : 0);
        logits = cpu.bf16 ? nullptr : carve.take<float>(n_rows * row_length);
        half_logits = cpu.bf16 ? carve.take<uint16_t>(n_rows * row_length) : nullptr;
        tops = carve.take<float>(cpu.bf16 ? cpu.pool.threads() * softmax_blocks(row_length) : 0);
        slopes = carve.take<float>(capped ? cpu.pool.threads() * row_length : 0);
        ids = carve.take<int32_t>(tokens);
    }
    /// Row i, in whichever of the two it is.
    std::byte * dlogits(int64_t i) const {
        return logits ? reinterpret_cast<std::byte *>(logits + i * row_length)
                      : reinterpret_cast<std::byte *>(half_logits + i * row_length);
    }
    float * slopes_of(int thread) const { return slopes + thread * row_length; }
    float * tops_of(int thread) const { return tops + thread * softmax_blocks(row_length); }
};

class Head {
  public:
    Head(CpuDevice & cpu, const HeadLoss & head, std::byte * scratch) : Head(cpu, head, Carver(scratch)) {}

    void run() {
        const int64_t n_active = choose_tokens();
        const int64_t chunk = chunk_of(head_.tokens, cpu_);
        for (int64_t first = 0; first < n_active; first += chunk) {
            const int64_t n = std::min(chunk, n_active - first);
            gather(at_.ids + first, n);
            project(n);
            cpu_.pool.run(n, [&](int64_t i, int thread) {
                cpu_.bf16 ? row_loss_bf16(at_.ids[first + i], i, thread) : row_loss_f32(at_.ids[first + i], i, thread);
                if (coded_ && head_.dx) round_row(i, thread);
            });
            if (head_.dx) give_back(at_.ids + first, n);
        }
        double loss = 0;
        for (int64_t t = 0; t < head_.tokens; ++t)
            if (head_.target[t] >= 0) loss += static_cast<double>(head_.weight[t]) * static_cast<double>(head_.nll[t]);
        *head_.loss = static_cast<float>(loss);
    }

  private:
    Head(CpuDevice & cpu, const HeadLoss & head, Carver carve)
        : cpu_(cpu), head_(head), coded_(coded_of(head.w, cpu)), at_(carve, head.w, head.tokens, head.cap > 0, cpu) {}

    /// Lists the tokens with a target; the others' results are zero.
    int64_t choose_tokens() {
        int64_t n_active = 0;
        for (int64_t t = 0; t < head_.tokens; ++t) {
            if (head_.target[t] >= 0) {
                at_.ids[n_active++] = static_cast<int32_t>(t);
                continue;
            }
            head_.nll[t] = 0;
            if (head_.dx) std::fill_n(head_.dx + t * head_.w.k, head_.w.k, 0.0f);
            if (head_.down) std::fill_n(head_.down + t * head_.n_rows, head_.n_rows, 0.0f);
        }
        return n_active;
    }

    void gather(const int32_t * ids, int64_t n) {
        for (int64_t i = 0; i < n; ++i) std::copy_n(head_.x + ids[i] * head_.w.k, head_.w.k, at_.rows + i * head_.w.k);
    }

    void project(int64_t n) {
        if (coded_) {
            code_rows(cpu_.pool, coded_, at_.rows, false, head_.w.k, n, at_.codes);
            const Term<std::byte> term[] = {{head_.w, Side::forward, at_.codes, coded_stride(coded_, head_.w.k)}};
            GemmCoded g{{term, n, at_.logits, at_.row_length}, {}};
            g.c_half = at_.half_logits, g.half = Half::f16;
            return gemm_coded(cpu_.pool, coded_, g, at_.panels);
        }
        if (!cpu_.bf16) {
            const Term<float> term[] = {{head_.w, Side::forward, at_.rows, head_.w.k}};
            return gemm(cpu_.pool, GemmF32{term, n, at_.logits, at_.row_length}, at_.panels);
        }
        cpu_.bf16->round_rows(cpu_.pool, at_.rows, head_.w.k, n, at_.rounded);
        const Term<uint16_t> term[] = {{head_.w, Side::forward, at_.rounded, bf16_stride(head_.w.k)}};
        GemmBf16 g{term, n, nullptr, at_.row_length};
        g.c_half = at_.half_logits, g.half = Half::f16;
        cpu_.bf16->gemm(cpu_.pool, g, at_.panels);
    }

    /// Calls f with the place in token t's own logits, and the id, of each row that has one.
    template <typename F>
    void each_own(int64_t t, F f) const {
        for (int64_t r = 0; r < head_.n_rows; ++r)
            if (head_.rows[r] >= 0 && head_.rows[r] < head_.w.m) f(t * head_.n_rows + r, head_.rows[r]);
    }
    /// Moves the gradient of token t's own logits out of its dlogits; `to_f32` reads one.
    template <typename T, typename ToF32>
    void take_own(int64_t t, T * dlogits, ToF32 to_f32) const {
        if (!head_.down) return;
        std::fill_n(head_.down + t * head_.n_rows, head_.n_rows, 0.0f);
        each_own(t, [&](int64_t at, int32_t row) {
            head_.down[at] = to_f32(dlogits[row]);
            dlogits[row] = 0;
        });
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
    void row_loss_f32(int64_t t, int64_t i, int thread) {
        float * logits = at_.logits + i * at_.row_length;
        float * slope = head_.cap > 0 && head_.dx ? at_.slopes_of(thread) : nullptr;
        each_own(t, [&](int64_t at, int32_t row) { logits[row] = head_.own[at]; });
        if (head_.cap > 0) cap_logits(logits, slope, head_.w.m, head_.cap);
        std::fill(logits + head_.w.m, logits + at_.row_length, -std::numeric_limits<float>::infinity());
        const int64_t target = head_.target[t];
        const float logit = logits[std::min(target, head_.w.m - 1)];
        const SoftmaxSum s = softmax_sum(logits, at_.row_length);
        head_.nll[t] = nll(s, target, logit);
        if (!head_.dx) return;
        scaled_softmax(logits, at_.row_length, s, factor(t));
        if (target < head_.w.m) logits[target] = at_target(s, logit, factor(t));
        if (slope) multiply_slopes(logits, slope, head_.w.m);
        take_own(t, logits, [](float d) { return d; });
    }

    void row_loss_bf16(int64_t t, int64_t i, int thread) {
        constexpr uint16_t kMinusInfinity = 0xfc00;  // of f16
        uint16_t * logits = at_.half_logits + i * at_.row_length;
        float * slope = head_.cap > 0 && head_.dx ? at_.slopes_of(thread) : nullptr;
        each_own(t, [&](int64_t at, int32_t row) { logits[row] = f32_to_f16(head_.own[at]); });
        if (head_.cap > 0) cap_logits_f16(logits, slope, head_.w.m, head_.cap);
        std::fill(logits + head_.w.m, logits + at_.row_length, kMinusInfinity);
        const int64_t target = head_.target[t];
        const float logit = f16_to_f32(logits[std::min(target, head_.w.m - 1)]);
        float * tops = head_.dx ? at_.tops_of(thread) : nullptr;
        const SoftmaxSum s = softmax_sum_f16(logits, at_.row_length, tops);
        head_.nll[t] = nll(s, target, logit);
        if (!head_.dx) return;
        scale_exponentials(logits, at_.row_length, tops, s, factor(t));
        if (target < head_.w.m) logits[target] = f32_to_bf16(at_target(s, logit, factor(t)));
        if (slope) multiply_slopes_bf16(logits, slope, head_.w.m);
        take_own(t, logits, bf16_to_f32);
    }

    /// Codes and scales of row i's dlogits take their place.
    void round_row(int64_t i, int thread) {
        code_in_place(coded_, at_.dlogits(i), cpu_.bf16, head_.w.m,
                      at_.scales + thread * coded_blocks(*coded_.coding, head_.w.m));
    }

    /// Computes dx of the chunk's tokens from dlogits.
    void give_back(const int32_t * ids, int64_t n) {
        if (coded_) {
            const Term<std::byte> term[] = {{head_.w, Side::backward, at_.dlogits(0), at_.dlogits(1) - at_.dlogits(0)}};
            gemm_coded(cpu_.pool, coded_, {{term, n, at_.rows, head_.w.k}, {}}, at_.panels);
        } else if (cpu_.bf16) {
            const Term<uint16_t> term[] = {{head_.w, Side::backward, at_.half_logits, at_.row_length}};
            cpu_.bf16->gemm(cpu_.pool, GemmBf16{term, n, at_.rows, head_.w.k}, at_.panels);
        } else {
            const Term<float> term[] = {{head_.w, Side::backward, at_.logits, at_.row_length}};
            gemm(cpu_.pool, GemmF32{term, n, at_.rows, head_.w.k}, at_.panels);
        }
        for (int64_t i = 0; i < n; ++i) std::copy_n(at_.rows + i * head_.w.k, head_.w.k, head_.dx + ids[i] * head_.w.k);
    }

    CpuDevice & cpu_;
    const HeadLoss & head_;
    const CodedPath coded_;
    const HeadBuffers at_;
};

}  // namespace

size_t head_loss_scratch(const Weight & w, int64_t tokens, bool capped, const CpuDevice & cpu) {
    Carver count;
    HeadBuffers(count, w, tokens, capped, cpu);
    return count.used();
}

void head_loss(CpuDevice & cpu, const HeadLoss & head, std::byte * scratch) {
    Head(cpu, head, scratch).run();
}

}  // namespace ql::cpu
