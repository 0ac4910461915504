#include "models/hf/json_file.hpp"

#include <cmath>

namespace ql {

Result<JsonFile> JsonFile::open(const std::string & path) {
    QL_ASSIGN(Json root, read_json_object(path));
    return JsonFile(path, std::move(root));
}

JsonFile JsonFile::part(const char * key) const {
    return JsonFile(path_ + ": " + key, has_object(key) ? at(key) : Json::object());
}

const Json & JsonFile::at(const char * key) const {
    static const Json null;
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

}  // namespace ql
