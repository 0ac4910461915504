// Tables with a line of headings, .csv and .tsv (RFC 4180): each row becomes the JSON object that the same sample would be
// in a .jsonl file, every value a text.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "ql/status.hpp"

namespace ql {

/// True for names that end in .csv or .tsv, or .gz of these.
bool is_table(const std::string & path);

struct TableRow {
    int64_t line;       // where it begins, 1 is the headings'
    std::string json;   // {"heading": "value", ...}
    std::string fault;  // or what is wrong with the row
};

/// Values between tabs (.tsv), or between commas, or semicolons where the headings have those alone (.csv). A value in
/// quotes may hold any of them, line ends, and quotes, doubled. Lines without a value are passed over.
/// errors  QL_BAD_FILE with the line (no path): no headings, one that is empty or there twice, a quote that does not end;
///         QL_UNSUPPORTED: more than max_rows
Result<std::vector<TableRow>> read_table(std::string_view text, const std::string & path, size_t max_rows = 10'000'000);

}  // namespace ql
