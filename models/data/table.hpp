// Tables with a line of headings, .csv and .tsv (RFC 4180): each row becomes the JSON object that the same sample would be
// in a .jsonl file, every value a text.
#pragma once
#include <cstdint>
#include <optional>
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

/// A line's values, of which those beyond the columns that a table may have are counted only.
struct TableLine {
    std::vector<std::string> values;
    size_t n_values = 0;
    bool behind_quote = false;  // text follows the quote that ends a value
};

/// Values between tabs (.tsv), or between commas, or semicolons where the headings have those alone (.csv). A value in
/// quotes may hold any of them, line ends, and quotes, doubled. Lines without a value are passed over. The rows are made
/// one at a time: each repeats the headings.
class Table {
  public:
    /// The text must outlive the table.
    /// errors  QL_BAD_FILE with the line (no path): no headings, one that is empty, not UTF-8, there twice or longer than
    ///         1 KiB, more than 4,096 of them, a single one that looks like several, a quote that does not end or has text behind it
    static Result<Table> open(std::string_view text, const std::string & path, size_t max_rows = 10'000'000);
    /// The next row; none at the end.
    /// errors  with the line: QL_BAD_FILE: a quote that does not end; QL_UNSUPPORTED: more than max_rows
    Result<std::optional<TableRow>> next();

  private:
    Table(std::string_view text, char separator, size_t max_rows)
        : text_(text), separator_(separator), max_rows_(max_rows) {}
    bool at_end() const { return at_ >= text_.size(); }
    Status read_line(TableLine & line);
    bool read_quoted(std::string & value);

    std::string_view text_;
    char separator_;
    size_t max_rows_, n_rows_ = 0;
    size_t at_ = 0;
    int64_t line_ = 1;
    std::vector<std::string> names_;
};

}  // namespace ql
