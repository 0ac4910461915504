// The numbers that fix a model's shape, the same for every architecture and every file format they are read from.
#pragma once
#include <cstdint>
#include <string>

#include "ql/ops.h"
#include "ql/status.hpp"

namespace ql {

struct Hparams {
    std::string arch;  // "llama"
    int64_t n_layer = 0;
    int64_t n_embd = 0;
    int64_t n_head = 0;
    int64_t n_head_kv = 0;
    int64_t head_dim = 0;
    int64_t n_ff = 0;
    int64_t n_vocab = 0;
    int64_t n_ctx = 0;  // trained context
    int64_t n_rot = 0;  // rotated elements of a head
    float rms_eps = 1e-5f;
    float rope_base = 10000.0f;
    float rope_scale = 1.0f;      // 1 / factor of linear scaling
    float rope_magnitude = 1.0f;  // times cos and sin
    ql_rope_mode rope_mode = QL_ROPE_NORMAL;

    /// Rejects numbers that no model has (0 heads, a width that heads do not divide ...).
    Status check() const;
};

}  // namespace ql
