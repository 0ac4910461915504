#include "models/data/each_record.hpp"

#include "models/data/table.hpp"
#include "models/json/records.hpp"

namespace ql {
namespace {

Status in_file(const Status & status, const std::string & path) {
    return error(status.code(), "%s:%s", path.c_str(), status.message().c_str());
}

Status for_each_row(const std::string & text, const std::string & path, const OnRecord & on_record) {
    auto table = Table::open(text, path);
    if (!table.ok()) return in_file(table.status(), path);
    while (true) {
        const auto next = table->next();
        if (!next.ok()) return in_file(next.status(), path);
        if (!*next) return {};
        QL_TRY(on_record((*next)->json, (*next)->line, (*next)->fault));
    }
}

}  // namespace

Status for_each_record(const std::string & text, const std::string & path, const OnRecord & on_record) {
    if (is_table(path)) return for_each_row(text, path, on_record);
    const auto records = split_records(text);
    if (!records.ok()) return in_file(records.status(), path);
    for (const Record & record : *records) QL_TRY(on_record(record.json, record.line, ""));
    return {};
}

Status at_line(const Status & status, const std::string & path, int64_t line) {
    return error(status.code(), "%s:%lld: %s", path.c_str(), static_cast<long long>(line), status.message().c_str());
}

}  // namespace ql
