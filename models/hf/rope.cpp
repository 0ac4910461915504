#include "models/hf/rope.hpp"

#include <cmath>
#include <numbers>

#include "models/hf/harmless_fields.hpp"

namespace ql {
namespace {

Status read_llama3(const JsonFile & config, const JsonFile & rope, int64_t n_rot, HfRope & out) {
    Llama3Scaling s{};
    double declared = 0;
    QL_TRY(rope.number("factor", s.factor));
    QL_TRY(rope.number("low_freq_factor", s.low_freq_factor));
    QL_TRY(rope.number("high_freq_factor", s.high_freq_factor));
    QL_TRY(config.number("original_max_position_embeddings", declared, 0.0));
    QL_TRY(rope.number("original_max_position_embeddings", s.original_context,
                       declared > 0 ? std::optional<double>(declared) : std::nullopt));
    if (!(s.factor > 0 && s.low_freq_factor > 0 && s.high_freq_factor > s.low_freq_factor && s.original_context > 0))
        return rope.wrong("high_freq_factor",
                          "and the other numbers of llama3 scaling must be positive, high over low");
    out.factors = llama3_rope_factors(s, static_cast<double>(out.base), n_rot);
    return {};
}

Status read_rope_kind(const JsonFile & config, const JsonFile & rope, int64_t n_rot, HfRope & out) {
    std::string type;
    double factor = 1, rotary = 1;
    QL_TRY(rope.text("type", type, "default"));  // the key's older name
    QL_TRY(rope.text("rope_type", type, type));
    QL_TRY(rope.number("partial_rotary_factor", rotary, 1.0));
    if (rotary != 1) return rope.wrong("partial_rotary_factor", "must be 1");
    if (type == "default") return {};
    if (type == "llama3") return read_llama3(config, rope, n_rot, out);
    if (type != "linear")
        return error(QL_UNSUPPORTED, "rope type '%.40s' is not supported; supported: default, linear, llama3",
                     type.c_str());
    QL_TRY(rope.number("factor", factor));
    if (!(factor > 0)) return rope.wrong("factor", "must be positive");
    out.scale = static_cast<float>(1.0 / factor);
    return {};
}

}  // namespace

Result<HfRope> read_hf_rope(const JsonFile & config, int64_t n_rot) {
    HfRope out;
    for (const char * key : {"rope_parameters", "rope_scaling"})
        if (config.has(key) && !config.has_object(key)) return config.wrong(key, "must be an object");
    const bool both = config.has("rope_parameters") && config.has("rope_scaling");
    if (both && config.at("rope_parameters") != config.at("rope_scaling"))
        return config.wrong("rope_scaling", "and 'rope_parameters' say different things; take one out");
    const JsonFile rope = config.part(config.has("rope_parameters") ? "rope_parameters" : "rope_scaling");
    double base = 0;
    QL_TRY(config.number("rope_theta", base, 10000.0));
    QL_TRY(rope.number("rope_theta", base, base));
    out.base = static_cast<float>(base);
    if (!(base > 0)) return error(QL_BAD_FILE, "rope_theta %g is not positive", base);
    QL_TRY(read_rope_kind(config, rope, n_rot, out));
    QL_TRY(rope.refuse_unread(kHarmlessRopeFields));
    return out;
}

std::vector<float> llama3_rope_factors(const Llama3Scaling & s, double rope_base, int64_t n_rot) {
    const double longest = s.original_context / s.low_freq_factor, shortest = s.original_context / s.high_freq_factor;
    std::vector<float> factors;
    for (int64_t i = 0; i < n_rot; i += 2) {
        const double frequency = std::pow(rope_base, -static_cast<double>(i) / static_cast<double>(n_rot));
        const double wavelength = 2 * std::numbers::pi / frequency;
        const double smooth =
            (s.original_context / wavelength - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor);
        const double divisor = wavelength < shortest  ? 1.0
                               : wavelength > longest ? s.factor
                                                      : 1.0 / ((1.0 - smooth) / s.factor + smooth);
        factors.push_back(static_cast<float>(divisor));
    }
    return factors;
}

}  // namespace ql
