#include "models/dense/gguf_rope.hpp"

#include "models/base/rope_scaling.hpp"
#include "models/dense/traits.hpp"

namespace ql {
namespace {

Status positive(const GgufKeys & keys, const char * key, float value) {
    if (value > 0) return {};
    return error(QL_BAD_FILE, "%s: %g is not positive", keys.full_name(key).c_str(), static_cast<double>(value));
}

Status read_linear(const GgufKeys & keys, float factor, Rope & rope) {
    if (factor != 0) QL_TRY(positive(keys, "rope.scaling.factor", factor));
    if (factor > 0) rope.scale = 1.0f / factor;
    return {};
}

Status read_original_context(const GgufKeys & keys, int64_t n_ctx, int64_t & original) {
    QL_TRY(keys.size("rope.scaling.original_context_length", original, n_ctx));
    return positive(keys, "rope.scaling.original_context_length", static_cast<float>(original));
}

/// llama.cpp has the same numbers: a weight of 1 for the magnitude, divided by that of yarn_log_multiplier where the
/// file has it.
Status read_yarn(const GgufKeys & keys, float factor, int64_t n_ctx, Rope & rope) {
    float fast = 0, slow = 0, attention = 0, log_multiplier = 0;
    int64_t original = 0;
    QL_TRY(positive(keys, "rope.scaling.factor", factor));
    QL_TRY(keys.number("rope.scaling.yarn_beta_fast", fast, 32.0f));
    QL_TRY(keys.number("rope.scaling.yarn_beta_slow", slow, 1.0f));
    QL_TRY(positive(keys, "rope.scaling.yarn_beta_fast", fast));
    QL_TRY(positive(keys, "rope.scaling.yarn_beta_slow", slow));
    QL_TRY(keys.number("rope.scaling.yarn_attn_factor", attention, 1.0f));
    if (attention != 1)
        return error(QL_UNSUPPORTED, "%s: only 1 is supported",
                     keys.full_name("rope.scaling.yarn_attn_factor").c_str());
    QL_TRY(keys.number("rope.scaling.yarn_log_multiplier", log_multiplier, 0.0f));
    QL_TRY(read_original_context(keys, n_ctx, original));
    const YarnScaling yarn{factor, fast, slow, static_cast<double>(original)};
    rope.factors = kRopeFactors;
    rope.divisors = yarn_rope_factors(yarn, rope.base, rope.n_rot);
    rope.magnitude *= static_cast<float>(yarn_magnitude(factor, 1) / yarn_magnitude(factor, log_multiplier));
    return {};
}

Status read_longrope(const GgufKeys & keys, int64_t n_ctx, Rope & rope) {
    rope.factors = kShortFactors;
    rope.long_factors = kLongFactors;
    return read_original_context(keys, n_ctx, rope.long_from);
}

}  // namespace

Status read_gguf_rope(const GgufKeys & keys, Hparams & h) {
    std::string type;
    float factor = 0;
    QL_TRY(keys.number("rope.freq_base", h.rope.base, 10000.0f));
    QL_TRY(keys.number("rope.scale_linear", factor, 0.0f));  // the key's name before scaling types existed
    QL_TRY(keys.number("rope.scaling.factor", factor, factor));
    QL_TRY(keys.number("rope.scaling.attn_factor", h.rope.magnitude, 1.0f));
    QL_TRY(keys.text("rope.scaling.type", type, "linear"));
    if (type == "none") return {};
    if (type == "linear") return read_linear(keys, factor, h.rope);
    if (type == "yarn") return read_yarn(keys, factor, h.n_ctx, h.rope);
    if (type == "longrope") return read_longrope(keys, h.n_ctx, h.rope);
    return error(QL_UNSUPPORTED,
                 "%s '%s' is not supported; supported: none, linear, yarn, longrope, and llama3's rope_freqs tensor",
                 keys.full_name("rope.scaling.type").c_str(), type.c_str());
}

}  // namespace ql
