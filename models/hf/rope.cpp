#include "models/hf/rope.hpp"

#include <cmath>

#include "models/base/rope_scaling.hpp"
#include "models/hf/harmless_fields.hpp"

namespace ql {
namespace {

/// The context before scaling: of the rope, of the whole config, or `otherwise`.
Status read_original(const JsonFile & config, const JsonFile & rope, std::optional<double> otherwise, double & value) {
    double declared = 0;
    QL_TRY(config.number("original_max_position_embeddings", declared, 0.0));
    QL_TRY(rope.number("original_max_position_embeddings", value, declared > 0 ? std::optional(declared) : otherwise));
    return value > 1 ? Status() : rope.wrong("original_max_position_embeddings", "must be more than 1");
}

Status read_factor(const JsonFile & rope, double & factor) {
    QL_TRY(rope.number("factor", factor));
    return factor > 0 ? Status() : rope.wrong("factor", "must be positive");
}

Status read_llama3(const JsonFile & config, const JsonFile & rope, HfRope & out) {
    Llama3Scaling s{};
    QL_TRY(rope.number("factor", s.factor));
    QL_TRY(rope.number("low_freq_factor", s.low_freq_factor));
    QL_TRY(rope.number("high_freq_factor", s.high_freq_factor));
    QL_TRY(read_original(config, rope, std::nullopt, s.original_context));
    if (!(s.factor > 0 && s.low_freq_factor > 0 && s.high_freq_factor > s.low_freq_factor))
        return rope.wrong("high_freq_factor",
                          "and the other numbers of llama3 scaling must be positive, high over low");
    out.scaling.kind = HfRopeScaling::Kind::llama3;
    out.divisors = llama3_rope_factors(s, static_cast<double>(out.base), out.n_rot);
    return {};
}

Status read_yarn(const JsonFile & config, const JsonFile & rope, HfRope & out) {
    YarnScaling s{};
    double n_ctx = 0, mscale = 0, mscale_all = 0, magnitude = 0;
    QL_TRY(read_factor(rope, s.factor));
    QL_TRY(rope.number("beta_fast", s.beta_fast, 32.0));
    QL_TRY(rope.number("beta_slow", s.beta_slow, 1.0));
    QL_TRY(rope.flag("truncate", s.whole_pairs, true));
    QL_TRY(config.number("max_position_embeddings", n_ctx));
    QL_TRY(read_original(config, rope, n_ctx, s.original_context));
    out.scaling = {HfRopeScaling::Kind::yarn, s.factor, s.beta_fast, s.beta_slow, s.original_context, s.whole_pairs};
    QL_TRY(rope.number("llama_4_scaling_beta", out.temperature_scale, 0.0));
    QL_TRY(rope.number("mscale", mscale, 0.0));
    QL_TRY(rope.number("mscale_all_dim", mscale_all, 0.0));
    const bool both = mscale != 0 && mscale_all != 0;
    const double automatic =
        both ? yarn_magnitude(s.factor, mscale) / yarn_magnitude(s.factor, mscale_all) : yarn_magnitude(s.factor, 1);
    QL_TRY(rope.number("attention_factor", magnitude, automatic));
    if (!(s.beta_slow > 0 && s.beta_fast > s.beta_slow))
        return rope.wrong("beta_fast", "and beta_slow must be positive, fast over slow");
    out.divisors = yarn_rope_factors(s, static_cast<double>(out.base), out.n_rot);
    out.magnitude = static_cast<float>(magnitude);
    return {};
}

Status read_divisors(const JsonFile & rope, const char * key, int64_t n, std::vector<float> & out) {
    if (!rope.at(key).is_array() || static_cast<int64_t>(rope.at(key).size()) != n)
        return rope.wrong(key, "must be a list with a number for each pair of a head's rotated elements");
    for (const Json & value : rope.at(key)) {
        const bool sound = value.is_number() && std::isfinite(value.get<double>()) && value.get<double>() > 0;
        if (!sound) return rope.wrong(key, "must hold positive numbers");
        out.push_back(static_cast<float>(value.get<double>()));
    }
    return {};
}

Status read_longrope(const JsonFile & config, const JsonFile & rope, HfRope & out) {
    double n_ctx = 0, original = 0, factor = 0, magnitude = 0;
    QL_TRY(config.number("max_position_embeddings", n_ctx));
    QL_TRY(read_original(config, rope, n_ctx, original));
    QL_TRY(rope.number("factor", factor, n_ctx / original));
    if (config.has("original_max_position_embeddings")) factor = n_ctx / original;
    QL_TRY(rope.number("attention_factor", magnitude, longrope_magnitude(factor, original)));
    QL_TRY(read_divisors(rope, "short_factor", out.n_rot / 2, out.divisors));
    QL_TRY(read_divisors(rope, "long_factor", out.n_rot / 2, out.long_divisors));
    out.magnitude = static_cast<float>(magnitude);
    out.long_from = static_cast<int64_t>(original);
    out.scaling.kind = HfRopeScaling::Kind::longrope;
    out.scaling.original_context = original;
    return {};
}

Status read_rope_kind(const JsonFile & config, const JsonFile & rope, HfRope & out) {
    std::string type;
    QL_TRY(rope.text("type", type, "default"));  // the key's older name
    QL_TRY(rope.text("rope_type", type, type));
    if (type == "default") return {};
    if (type == "llama3") return read_llama3(config, rope, out);
    if (type == "yarn") return read_yarn(config, rope, out);
    if (type == "longrope" || type == "su") return read_longrope(config, rope, out);
    if (type != "linear")
        return error(QL_UNSUPPORTED,
                     "rope type '%.40s' is not supported; supported: default, linear, llama3, yarn, longrope",
                     type.c_str());
    double factor = 1;
    QL_TRY(read_factor(rope, factor));
    out.scale = static_cast<float>(1.0 / factor);
    out.scaling.kind = HfRopeScaling::Kind::linear;
    out.scaling.factor = factor;
    return {};
}

Status read_rotated(const JsonFile & config, const JsonFile & rope, const HfRotated & rotated, HfRope & out) {
    double part = 0;
    QL_TRY(config.number("partial_rotary_factor", part, rotated.part));
    if (!rotated.may_be_part && part != 1)
        return error(QL_UNSUPPORTED, "partial_rotary_factor %g is not supported", part);
    QL_TRY(rope.number("partial_rotary_factor", part, part));
    if (!rotated.may_be_part && part != 1) return rope.wrong("partial_rotary_factor", "must be 1");
    if (!(part > 0 && part <= 1)) return rope.wrong("partial_rotary_factor", "must be over 0, and at most 1");
    out.n_rot = static_cast<int64_t>(static_cast<double>(rotated.head_dim) * part);
    return {};
}

Result<JsonFile> rope_object(const JsonFile & config, const char * layers) {
    for (const char * key : {"rope_parameters", "rope_scaling"})
        if (config.has(key) && !config.has_object(key)) return config.wrong(key, "must be an object");
    const bool both = config.has("rope_parameters") && config.has("rope_scaling");
    if (both && config.at("rope_parameters") != config.at("rope_scaling"))
        return config.wrong("rope_scaling", "and 'rope_parameters' say different things; take one out");
    JsonFile rope = config.part(config.has("rope_parameters") ? "rope_parameters" : "rope_scaling");
    if (layers && rope.has_object(layers)) return rope.part(layers);
    return rope;
}

}  // namespace

Result<HfRope> read_hf_rope(const JsonFile & config, const HfRotated & rotated, const char * layers) {
    HfRope out;
    QL_ASSIGN(const JsonFile rope, rope_object(config, layers));
    double base = 0;
    QL_TRY(config.number("rope_theta", base, 10000.0));
    QL_TRY(rope.number("rope_theta", base, base));
    out.base = static_cast<float>(base);
    if (!(base > 0)) return error(QL_BAD_FILE, "rope_theta %g is not positive", base);
    QL_TRY(read_rotated(config, rope, rotated, out));
    QL_TRY(read_rope_kind(config, rope, out));
    QL_TRY(rope.refuse_unread(kHarmlessRopeFields));
    return out;
}

}  // namespace ql
