// Output projection and cross-entropy in one, forward and backward, in chunks of tokens.
#pragma once
#include "backends/cpu/device.hpp"
#include "backends/cpu/products/weight.hpp"

namespace ql::cpu {

struct HeadLoss {
    Weight w;  // [n, V]
    int64_t tokens = 0;
    const float * x = nullptr;         // [n, tokens]
    const int32_t * target = nullptr;  // negative: no loss there
    const float * weight = nullptr;
    float * loss = nullptr;
    float * nll = nullptr;
    const float * dloss = nullptr;  // null: no gradient
    float * dx = nullptr;
    float cap = 0;  // the soft cap of the logits; 0: none
    int64_t n_rows = 0;  // of w, whose logits are not computed but given
    const int32_t * rows = nullptr;
    const float * own = nullptr;  // [n_rows, tokens]: those logits
    float * down = nullptr;       // and their gradient
};

size_t head_loss_scratch(const Weight & w, int64_t tokens, bool capped, const CpuDevice & cpu);
void head_loss(CpuDevice & cpu, const HeadLoss & head, std::byte * scratch);

}  // namespace ql::cpu
