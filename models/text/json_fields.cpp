#include "models/text/json_fields.hpp"

#include <algorithm>

namespace ql {

Result<JsonFields> JsonFields::open(const Json & object, std::string name) {
    if (!object.is_object()) return error(QL_BAD_FILE, "%s is no object, got %s", name.c_str(), shown(object).c_str());
    return JsonFields(object, std::move(name));
}

const Json & JsonFields::value(const char * key) {
    static const Json null;
    read_.push_back(key);
    const auto found = object_->find(key);
    return found == object_->end() ? null : *found;
}

void JsonFields::ignore(std::initializer_list<const char *> keys) {
    read_.insert(read_.end(), keys.begin(), keys.end());
}

Status JsonFields::flag(const char * key, bool missing, bool & value) {
    const Json & found = this->value(key);
    if (!found.is_null() && !found.is_boolean())
        return bad(std::string("'") + key + "' must be true or false, got " + shown(found));
    value = found.is_null() ? missing : found.get<bool>();
    return {};
}

Status JsonFields::text(const char * key, const char * missing, std::string & value) {
    const Json & found = this->value(key);
    if (!found.is_null() && !found.is_string())
        return bad(std::string("'") + key + "' must be a string, got " + shown(found));
    value = found.is_null() ? missing : found.get_ref<const std::string &>();
    return {};
}

Status JsonFields::bad(const std::string & what) const {
    return error(QL_BAD_FILE, "%s: %s", name_.c_str(), what.c_str());
}

Status JsonFields::unsupported(const std::string & what) const {
    return error(QL_UNSUPPORTED, "%s: %s", name_.c_str(), what.c_str());
}

Status JsonFields::finish() const {
    for (const auto & [key, value] : object_->items()) {
        if (value.is_null() || std::find(read_.begin(), read_.end(), key) != read_.end()) continue;
        return unsupported("field '" + key.substr(0, 60) + "' is not known, with " + shown(value));
    }
    return {};
}

std::string shown(const Json & value) {
    if (value.is_structured()) return std::string("an ") + value.type_name();
    return value.dump(-1, ' ', true, Json::error_handler_t::replace).substr(0, 80);
}

}  // namespace ql
