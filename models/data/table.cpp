#include "models/data/table.hpp"

#include <algorithm>
#include <set>

#include "models/base/utf8.hpp"
#include "models/json/blanks.hpp"

namespace ql {
namespace {

// Each row's JSON repeats the headings: a byte of a row, such as a comma, becomes one heading at most.
constexpr size_t kLongestHeading = 1024, kMostColumns = 4096;

std::string_view without_gz(std::string_view path) {
    return path.ends_with(".gz") ? path.substr(0, path.size() - 3) : path;
}

void append_json(std::string & json, std::string_view text) {
    json += '"';
    for (const char c : text) {
        if (c == '"' || c == '\\')
            json += '\\', json += c;
        else if (static_cast<unsigned char>(c) < 0x20)
            json += format("\\u%04x", static_cast<unsigned>(c));
        else
            json += c;
    }
    json += '"';
}

char separator_of(std::string_view text, const std::string & path) {
    if (without_gz(path).ends_with(".tsv")) return '\t';
    const std::string_view headings = text.substr(0, text.find('\n'));
    return headings.find(',') == headings.npos && headings.find(';') != headings.npos ? ';' : ',';
}

/// A table of one column whose heading looks like several.
Status check_separator(const std::string & heading, char separator) {
    const size_t other = heading.find_first_of(separator == '\t' ? ",;|" : "\t|");
    if (other == heading.npos) return {};
    return error(QL_BAD_FILE,
                 "1: one column, headed '%.60s': the values of a .tsv file stand between tabs, those of a .csv file "
                 "between commas or semicolons%s",
                 heading.c_str(),
                 heading[other] == '\t'  ? "; this one has tabs: name it .tsv"
                 : heading[other] != '|' ? "; this one has no tabs: name it .csv"
                                         : "");
}

constexpr const char * kNotUtf8 = "is not UTF-8; save the table as UTF-8, or convert it with iconv";

Status check_headings(const std::vector<std::string> & names) {
    std::set<std::string_view> seen;
    for (const std::string & name : names) {
        if (name.empty()) return error(QL_BAD_FILE, "1: a heading is empty");
        if (!is_well_formed_utf8(name)) return error(QL_BAD_FILE, "1: a heading %s", kNotUtf8);
        if (name.size() > kLongestHeading)
            return error(QL_BAD_FILE, "1: the heading '%.40s...' has %zu bytes, at most %zu are read", name.c_str(),
                         name.size(), kLongestHeading);
        if (!seen.insert(name).second) return error(QL_BAD_FILE, "1: two columns are headed '%.60s'", name.c_str());
    }
    return {};
}

constexpr const char * kBehindQuote = "text follows the quote that ends a value; a quote in a value is written twice";

std::string fault_of(const TableLine & line, const std::vector<std::string> & names) {
    if (line.behind_quote) return kBehindQuote;
    if (line.n_values != names.size())
        return format("%zu value%s in a table of %zu columns", line.n_values, line.n_values == 1 ? "" : "s",
                      names.size());
    for (size_t i = 0; i < names.size(); ++i)
        if (!is_well_formed_utf8(line.values[i])) return format("the value of '%.40s' %s", names[i].c_str(), kNotUtf8);
    return "";
}

std::string json_of(const std::vector<std::string> & names, const std::vector<std::string> & values) {
    std::string json = "{";
    for (size_t i = 0; i < names.size(); ++i) {
        if (i > 0) json += ',';
        append_json(json, names[i]);
        json += ':';
        append_json(json, values[i]);
    }
    return json + '}';
}

}  // namespace

bool is_table(const std::string & path) {
    const std::string_view plain = without_gz(path);
    return plain.ends_with(".csv") || plain.ends_with(".tsv");
}

Result<Table> Table::open(std::string_view text, const std::string & path, size_t max_rows) {
    if (text.empty()) return error(QL_BAD_FILE, "1: the file is empty");
    Table table(text, separator_of(text, path), max_rows);
    TableLine line;
    QL_TRY(table.read_line(line));
    if (line.n_values > kMostColumns)
        return error(QL_BAD_FILE, "1: %zu columns, at most %zu are read", line.n_values, kMostColumns);
    if (line.behind_quote) return error(QL_BAD_FILE, "1: %s", kBehindQuote);
    for (std::string & name : line.values) name = std::string(trimmed(name));  // "question, answer"
    QL_TRY(check_headings(line.values));
    if (line.n_values == 1) QL_TRY(check_separator(line.values[0], table.separator_));
    table.names_ = std::move(line.values);
    return table;
}

Result<std::optional<TableRow>> Table::next() {
    TableLine line;
    while (!at_end()) {
        const int64_t begin = line_;
        QL_TRY(read_line(line));
        if (line.n_values == 1 && line.values[0].empty()) continue;
        if (n_rows_++ == max_rows_)
            return error(QL_UNSUPPORTED, "%lld: more than %zu samples; split the file", static_cast<long long>(begin),
                         max_rows_);
        std::string fault = fault_of(line, names_);
        std::string json = fault.empty() ? json_of(names_, line.values) : "";
        return std::optional(TableRow{begin, std::move(json), std::move(fault)});
    }
    return std::optional<TableRow>();
}

Status Table::read_line(TableLine & line) {
    line = {};
    const int64_t begin = line_;
    const char stops[] = {separator_, '\n', '\r'};
    while (true) {
        ++line.n_values;
        if (line.values.size() < kMostColumns) line.values.emplace_back();
        std::string & value = line.values.back();
        const bool quoted = !at_end() && text_[at_] == '"';
        if (quoted && !read_quoted(value))
            return error(QL_BAD_FILE, "%lld: a quote in this row does not end", static_cast<long long>(begin));
        const size_t end = std::min(text_.find_first_of({stops, sizeof stops}, at_), text_.size());
        line.behind_quote = line.behind_quote || (quoted && end > at_);
        value += text_.substr(at_, end - at_);
        at_ = end;
        if (at_end()) return {};
        if (text_[at_++] == separator_) continue;
        if (text_[at_ - 1] == '\r' && !at_end() && text_[at_] == '\n') ++at_;
        ++line_;
        return {};
    }
}

/// Behind the quote that ends the value; false if none does.
bool Table::read_quoted(std::string & value) {
    for (++at_; !at_end(); ++at_) {
        if (text_[at_] == '"' && text_.substr(at_ + 1, 1) != "\"") return ++at_, true;
        if (text_[at_] == '"') ++at_;
        line_ += text_[at_] == '\n';
        value += text_[at_];
    }
    return false;
}

}  // namespace ql
