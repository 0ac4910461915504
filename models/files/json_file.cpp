#include "models/files/json_file.hpp"

#include <cmath>

namespace ql {
namespace {

/// null, false, "", [] and {}: the field is there but sets nothing.
bool says_nothing(const Json & value) {
    if (value.is_boolean()) return !value.get<bool>();
    if (value.is_string()) return value.get_ref<const std::string &>().empty();
    return value.empty();  // of a number: false
}

bool is_number(const Json & value, double number) {
    if (value.is_boolean()) return value.get<bool>() == (number != 0);
    return value.is_number() && value.get<double>() == number;
}

}  // namespace

Result<JsonFile> JsonFile::open(const std::string & path) {
    QL_ASSIGN(Json root, read_json_object(path));
    return JsonFile(path, std::move(root));
}

JsonFile JsonFile::part(const char * key) const {
    return JsonFile(path_ + ": " + key, has_object(key) ? at(key) : Json::object());
}

const Json & JsonFile::at(const char * key) const {
    static const Json null;
    asked_.insert(key);
    const auto found = root_.find(key);
    return found == root_.end() ? null : *found;
}

bool JsonFile::has(const char * key) const {
    return !at(key).is_null();
}

bool JsonFile::has_object(const char * key) const {
    return at(key).is_object();
}

Status JsonFile::wrong(const char * key, const char * what) const {
    return error(QL_BAD_FILE, "%s: '%s' %s, got %.60s", path_.c_str(), key, what,
                 at(key).dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
}

Status JsonFile::size(const char * key, int64_t & value, std::optional<int64_t> missing) const {
    const Json & found = at(key);
    if (found.is_null() && missing) return value = *missing, Status();
    if (!found.is_number_integer()) return wrong(key, "must be a whole number");
    const bool fits = found.is_number_unsigned() ? found.get<uint64_t>() <= INT32_MAX : found.get<int64_t>() >= 0;
    if (!fits) return wrong(key, "is out of range");
    value = found.get<int64_t>();
    return {};
}

Status JsonFile::number(const char * key, double & value, std::optional<double> missing) const {
    const Json & found = at(key);
    if (found.is_null() && missing) return value = *missing, Status();
    if (!found.is_number() || !std::isfinite(found.get<double>())) return wrong(key, "must be a finite number");
    value = found.get<double>();
    return {};
}

Status JsonFile::text(const char * key, std::string & value, std::optional<std::string> missing) const {
    const Json & found = at(key);
    if (found.is_null() && missing) return value = *missing, Status();
    if (!found.is_string()) return wrong(key, "must be a string");
    value = found.get<std::string>();
    return {};
}

Status JsonFile::flag(const char * key, bool & value, std::optional<bool> missing) const {
    const Json & found = at(key);
    if (found.is_null() && missing) return value = *missing, Status();
    if (!found.is_boolean()) return wrong(key, "must be true or false");
    value = found.get<bool>();
    return {};
}

Json JsonFile::unread(std::span<const HarmlessKey> harmless) const {
    Json fields = Json::object();
    for (const auto & [key, value] : root_.items()) {
        if (asked_.contains(key) || says_nothing(value)) continue;
        const auto says = [&value = value](double number) { return is_number(value, number); };
        if (unread_fault(harmless, key, says)) fields[key] = value;
    }
    return fields;
}

Status JsonFile::refuse_unread(std::span<const HarmlessKey> harmless) const {
    for (const auto & [key, value] : root_.items()) {
        if (asked_.contains(key) || says_nothing(value)) continue;
        const auto fault =
            unread_fault(harmless, key, [&value = value](double number) { return is_number(value, number); });
        if (!fault) continue;
        const std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
        if (fault->only)
            return error(QL_UNSUPPORTED, "%s: '%.60s' is %.60s, only %g is supported", path_.c_str(), key.c_str(),
                         text.c_str(), *fault->only);
        return error(
            QL_UNSUPPORTED,
            "%s: '%.60s' is not known here and may change what is computed (%.60s); take it out if it does not",
            path_.c_str(), key.c_str(), text.c_str());
    }
    return {};
}

}  // namespace ql
