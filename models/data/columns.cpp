#include "models/data/columns.hpp"

#include <algorithm>
#include <map>

#include "models/data/form_fields.hpp"

namespace ql {
namespace {

constexpr const char * kNoField = "_";

/// The comma behind the item that begins at `at`, or the end; npos: its quoted name does not end. A name that begins with a
/// quote may hold commas, and quotes, doubled.
size_t end_of_item(std::string_view text, size_t at) {
    const size_t comma = std::min(text.find(',', at), text.size()), equals = text.find('=', at);
    if (equals >= comma || equals + 1 >= text.size() || text[equals + 1] != '"') return comma;
    size_t close = text.find('"', equals + 2);
    while (close != text.npos && text.substr(close + 1, 1) == "\"") close = text.find('"', close + 2);
    return close == text.npos ? close : std::min(text.find(',', close), text.size());
}

/// What stands between quotes; a name without them as it is.
std::string unquoted(std::string_view name) {
    if (name.size() < 2 || name.front() != '"' || name.back() != '"') return std::string(name);
    std::string out;
    for (size_t i = 1; i + 1 < name.size(); ++i) {
        out += name[i];
        if (name[i] == '"') ++i;  // doubled
    }
    return out;
}

Status add(std::string_view item, Columns & columns) {
    const size_t equals = item.find('=');
    const std::string field(item.substr(0, equals)), name(equals == item.npos ? "" : unquoted(item.substr(equals + 1)));
    if (field.empty() || name.empty())
        return error(QL_INVALID_ARGUMENT, "columns: '%.60s' is no FIELD=NAME, as in question=ask",
                     std::string(item).c_str());
    if (const FieldNames known = form_fields(); field != kNoField && !is_one_of(known, field))
        return error(QL_INVALID_ARGUMENT, "columns: '%.60s' is unknown; %s are, and _ for a column that is left out",
                     field.c_str(), list_of_names(known).c_str());
    for (const auto & [other_field, other_name] : columns)
        if ((field == other_field && field != kNoField) || name == other_name)
            return error(QL_INVALID_ARGUMENT, "columns: '%.60s' is given twice",
                         name == other_name ? name.c_str() : field.c_str());
    columns.emplace_back(field, name);
    return {};
}

std::string names_in(const Json & sample) {
    std::string names;
    for (const auto & item : sample.items()) {
        names += (names.empty() ? "\"" : ", \"") + item.key().substr(0, 40) + "\"";
        if (names.size() > 200) break;
    }
    return names.empty() ? "none" : names;
}

}  // namespace

Result<Columns> parse_columns(std::string_view text) {
    Columns columns;
    for (size_t at = 0; at <= text.size();) {
        const size_t end = end_of_item(text, at);
        if (end == text.npos)
            return error(QL_INVALID_ARGUMENT, "columns: the quote in '%.60s' does not end",
                         std::string(text.substr(at)).c_str());
        QL_TRY(add(text.substr(at, end - at), columns));
        at = end + 1;
    }
    return columns;
}

Status rename_columns(const Columns & columns, Json & sample) {
    if (columns.empty()) return {};
    for (const auto & [field, name] : columns)
        if (field != kNoField && !sample.contains(name))
            return error(QL_BAD_FILE, "there is no column '%.60s', which --columns names as %s; there are: %s",
                         name.c_str(), field.c_str(), names_in(sample).c_str());
    Json::object_t renamed;  // no key is there twice: emplace_back, as a search for each would take quadratic time
    renamed.reserve(sample.size());
    for (auto & item : sample.items()) {
        const auto it =
            std::find_if(columns.begin(), columns.end(), [&](const auto & c) { return c.second == item.key(); });
        const std::string & key = it == columns.end() ? item.key() : it->first;
        if (it == columns.end() && key != kNoField &&
            std::any_of(columns.begin(), columns.end(), [&](const auto & c) { return c.first == key; }))
            return error(QL_BAD_FILE, "there is a column '%.60s' beside the one that --columns names as it",
                         key.c_str());
        if (key != kNoField) renamed.emplace_back(key, std::move(item.value()));
    }
    sample = std::move(renamed);
    return {};
}

void fold_case(Json & sample) {
    static const FieldNames known = form_fields();
    std::map<std::string, int, std::less<>> count;
    bool folds = false;
    for (const auto & item : sample.items()) {
        const std::string field = lower_case(item.key());
        if (!is_one_of(known, field)) continue;
        ++count[field];
        folds = folds || field != item.key();
    }
    if (!folds) return;
    Json::object_t renamed;
    renamed.reserve(sample.size());
    for (auto & item : sample.items()) {
        const auto field = count.find(lower_case(item.key()));
        renamed.emplace_back(field != count.end() && field->second == 1 ? field->first : item.key(),
                             std::move(item.value()));
    }
    sample = std::move(renamed);
}

}  // namespace ql
