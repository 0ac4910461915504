#include "models/files/gguf_keys.hpp"

#include <cmath>
#include <cstring>

#include "ql/ql.hpp"

namespace ql {

namespace {

Status check_count(const std::string & name, int64_t value) {
    if (value >= 0 && value <= INT32_MAX) return {};
    return error(QL_BAD_FILE, "%s: %lld is out of range", name.c_str(), static_cast<long long>(value));
}

Status check_length(const std::string & name, int64_t n, int64_t n_layer) {
    if (n == n_layer) return {};
    return error(QL_BAD_FILE, "%s: %lld values for %lld layers", name.c_str(), static_cast<long long>(n),
                 static_cast<long long>(n_layer));
}

/// Element i of an array of 32-bit integers, which lies unaligned.
int64_t count_at(const ql_gguf_array & array, int64_t i) {
    uint32_t bits = 0;
    std::memcpy(&bits, static_cast<const char *>(array.data) + static_cast<size_t>(i) * sizeof bits, sizeof bits);
    return array.type == QL_GGUF_U32 ? int64_t{bits} : static_cast<int32_t>(bits);
}

}  // namespace

Status GgufKeys::size(const char * key, int64_t & value, std::optional<int64_t> missing) const {
    const std::string name = ask(key);
    if (missing && !has(name)) return value = *missing, Status();
    QL_TRY(ql_gguf_get_int(file_, name.c_str(), &value));
    return check_count(name, value);
}

Status GgufKeys::number(const char * key, float & value, std::optional<float> missing) const {
    const std::string name = ask(key);
    if (missing && !has(name)) return value = *missing, Status();
    double d = 0;
    QL_TRY(ql_gguf_get_float(file_, name.c_str(), &d));
    if (!std::isfinite(d)) return error(QL_BAD_FILE, "%s: not a finite number", name.c_str());
    value = static_cast<float>(d);
    return {};
}

Status GgufKeys::text(const char * key, std::string & value, std::optional<std::string> missing) const {
    const std::string name = ask(key);
    if (missing && !has(name)) return value = *missing, Status();
    ql_gguf_string s{};
    QL_TRY(ql_gguf_get_string(file_, name.c_str(), &s));
    value = view(s);
    return {};
}

Result<std::vector<int64_t>> GgufKeys::layers(const char * key, int64_t n_layer) const {
    const std::string name = ask(key);
    std::vector<int64_t> values(static_cast<size_t>(n_layer));
    ql_gguf_type type = QL_GGUF_U32;
    if (has(name)) QL_TRY(ql_gguf_key_type(file_, name.c_str(), &type));
    if (type != QL_GGUF_ARRAY) {
        int64_t value = 0;
        QL_TRY(size(key, value));
        values.assign(values.size(), value);
        return values;
    }
    ql_gguf_array array{};
    QL_TRY(ql_gguf_get_array(file_, name.c_str(), &array));
    QL_TRY(check_length(name, array.n, n_layer));
    if (array.type != QL_GGUF_U32 && array.type != QL_GGUF_I32)
        return error(QL_BAD_FILE, "%s: is an array of no 32-bit integers", name.c_str());
    for (int64_t i = 0; i < array.n; ++i) {
        const int64_t value = count_at(array, i);
        QL_TRY(check_count(name, value));
        values[static_cast<size_t>(i)] = value;
    }
    return values;
}

Status GgufKeys::flag(const char * key, bool & value, bool missing) const {
    const std::string name = ask(key);
    int flag = missing;
    if (has(name)) QL_TRY(ql_gguf_get_bool(file_, name.c_str(), &flag));
    value = flag != 0;
    return {};
}

Result<std::optional<std::vector<bool>>> GgufKeys::layer_flags(const char * key, int64_t n_layer) const {
    const std::string name = ask(key);
    ql_gguf_type type = QL_GGUF_U32;
    if (has(name)) QL_TRY(ql_gguf_key_type(file_, name.c_str(), &type));
    if (type != QL_GGUF_ARRAY) return std::optional<std::vector<bool>>();
    ql_gguf_array array{};
    QL_TRY(ql_gguf_get_array(file_, name.c_str(), &array));
    if (array.type != QL_GGUF_BOOL) return error(QL_BAD_FILE, "%s: is an array of no truth values", name.c_str());
    QL_TRY(check_length(name, array.n, n_layer));
    const auto * const bytes = static_cast<const uint8_t *>(array.data);
    return std::optional(std::vector<bool>(bytes, bytes + array.n));
}

std::string GgufKeys::ask(const char * key) const {
    asked_.insert(key);
    return prefix_ + "." + key;
}

bool GgufKeys::is_number(const char * name, double number) const {
    int64_t whole = 0;
    double real = 0;
    int flag = 0;
    if (ql_gguf_get_int(file_, name, &whole) == QL_OK) return static_cast<double>(whole) == number;
    if (ql_gguf_get_float(file_, name, &real) == QL_OK) return real == number;
    return ql_gguf_get_bool(file_, name, &flag) == QL_OK && flag == number;
}

Status GgufKeys::refuse_unread(std::span<const HarmlessKey> harmless) const {
    for (int64_t i = 0; i < ql_gguf_n_keys(file_); ++i) {
        const char * name = ql_gguf_key(file_, i);
        const std::string_view whole = name, start = prefix_;
        if (!whole.starts_with(start) || whole.size() <= start.size() || whole[start.size()] != '.') continue;
        const std::string key(whole.substr(start.size() + 1));
        if (asked_.contains(key)) continue;
        const auto fault = unread_fault(harmless, key, [&](double number) { return is_number(name, number); });
        if (!fault) continue;
        if (fault->only) return error(QL_UNSUPPORTED, "%s: only %g is supported", name, *fault->only);
        return error(QL_UNSUPPORTED, "the key '%.80s' is not known here, and what is computed may depend on it", name);
    }
    return {};
}

}  // namespace ql
