#include "models/arch/gguf_keys.hpp"

#include <cmath>

namespace ql {

Status last_error(ql_status code) {
    return code == QL_OK ? Status() : Status(code, ql_error_message());
}

Status GgufKeys::size(const char * key, int64_t & value, std::optional<int64_t> missing) const {
    const std::string name = prefix_ + "." + key;
    if (missing && !ql_gguf_has_key(file_, name.c_str())) return value = *missing, Status();
    QL_TRY(last_error(ql_gguf_get_int(file_, name.c_str(), &value)));
    if (value < 0 || value > INT32_MAX)
        return error(QL_BAD_FILE, "%s: %lld is out of range", name.c_str(), static_cast<long long>(value));
    return {};
}

Status GgufKeys::number(const char * key, float & value, std::optional<float> missing) const {
    const std::string name = prefix_ + "." + key;
    if (missing && !ql_gguf_has_key(file_, name.c_str())) return value = *missing, Status();
    double d = 0;
    QL_TRY(last_error(ql_gguf_get_float(file_, name.c_str(), &d)));
    if (!std::isfinite(d)) return error(QL_BAD_FILE, "%s: not a finite number", name.c_str());
    value = static_cast<float>(d);
    return {};
}

Status GgufKeys::text(const char * key, std::string & value, std::optional<std::string> missing) const {
    const std::string name = prefix_ + "." + key;
    if (missing && !ql_gguf_has_key(file_, name.c_str())) return value = *missing, Status();
    ql_gguf_string s{};
    QL_TRY(last_error(ql_gguf_get_string(file_, name.c_str(), &s)));
    value.assign(s.data, s.size);
    return {};
}

Status GgufKeys::linear_rope(float & scale) const {
    std::string type;
    QL_TRY(text("rope.scaling.type", type, "none"));
    scale = 1.0f;
    if (type == "none") {
        float factor = 0;
        QL_TRY(number("rope.scale_linear", factor, 0.0f));  // the key's name before scaling types existed
        if (factor > 0) scale = 1.0f / factor;
        return {};
    }
    if (type != "linear")
        return error(
            QL_UNSUPPORTED,
            "%s.rope.scaling.type '%s' is not supported; supported: none, linear, and llama3's rope_freqs tensor",
            prefix_.c_str(), type.c_str());
    float factor = 1;
    QL_TRY(number("rope.scaling.factor", factor));
    if (!(factor > 0))
        return error(QL_BAD_FILE, "%s.rope.scaling.factor: %g is not positive", prefix_.c_str(),
                     static_cast<double>(factor));
    scale = 1.0f / factor;
    return {};
}

}  // namespace ql
