#include "models/dense/query_scale.hpp"

#include <cmath>

namespace ql {

Status read_query_scale(const JsonFile & config, Hparams & h) {
    double divisor = 0;
    QL_TRY(config.number("query_pre_attn_scalar", divisor, 256.0));  // transformers' default
    if (!(divisor > 0)) return config.wrong("query_pre_attn_scalar", "must be positive");
    h.attention_scale = static_cast<float>(1 / std::sqrt(divisor));
    return {};
}

float scale_of_width(const Hparams & h) {
    return 1 / std::sqrt(static_cast<float>(h.n_embd / h.layer(0).n_head));
}

}  // namespace ql
