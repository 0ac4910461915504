#include "models/data/table.hpp"

#include <algorithm>
#include <set>

namespace ql {
namespace {

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

class TableReader {
  public:
    TableReader(std::string_view text, char separator) : text_(text), separator_(separator) {}

    bool at_end() const { return at_ >= text_.size(); }
    int64_t line() const { return line_; }

    /// The values of the row that begins here.
    Status row(std::vector<std::string> & values) {
        values.clear();
        const int64_t begin = line_;
        while (true) {
            std::string & value = values.emplace_back();
            if (!at_end() && text_[at_] == '"') {
                if (!quoted(value))
                    return error(QL_BAD_FILE, "%lld: a quote in this row does not end", static_cast<long long>(begin));
            }
            const size_t end = std::min(text_.find_first_of(stops(), at_), text_.size());
            value += text_.substr(at_, end - at_);
            at_ = end;
            if (at_end()) return {};
            if (text_[at_++] == separator_) continue;
            if (text_[at_ - 1] == '\r' && !at_end() && text_[at_] == '\n') ++at_;
            ++line_;
            return {};
        }
    }

  private:
    std::string stops() const { return {separator_, '\n', '\r'}; }

    /// Behind the quote that ends the value; false if none does.
    bool quoted(std::string & value) {
        for (++at_; !at_end(); ++at_) {
            if (text_[at_] == '"' && text_.substr(at_ + 1, 1) != "\"") return ++at_, true;
            if (text_[at_] == '"') ++at_;
            line_ += text_[at_] == '\n';
            value += text_[at_];
        }
        return false;
    }

    std::string_view text_;
    const char separator_;
    size_t at_ = 0;
    int64_t line_ = 1;
};

char separator_of(std::string_view text, const std::string & path) {
    if (without_gz(path).ends_with(".tsv")) return '\t';
    const std::string_view headings = text.substr(0, text.find('\n'));
    return headings.find(',') == headings.npos && headings.find(';') != headings.npos ? ';' : ',';
}

Status check_headings(const std::vector<std::string> & names) {
    std::set<std::string_view> seen;
    for (const std::string & name : names) {
        if (name.empty()) return error(QL_BAD_FILE, "1: a heading is empty");
        if (!seen.insert(name).second) return error(QL_BAD_FILE, "1: two columns are headed '%.60s'", name.c_str());
    }
    return {};
}

TableRow make_row(int64_t line, const std::vector<std::string> & names, const std::vector<std::string> & values) {
    TableRow row{line, "{", ""};
    if (values.size() != names.size()) {
        row.fault =
            format("%zu value%s in a table of %zu columns", values.size(), values.size() == 1 ? "" : "s", names.size());
        return row;
    }
    for (size_t i = 0; i < names.size(); ++i) {
        if (i > 0) row.json += ',';
        append_json(row.json, names[i]);
        row.json += ':';
        append_json(row.json, values[i]);
    }
    row.json += '}';
    return row;
}

}  // namespace

bool is_table(const std::string & path) {
    const std::string_view plain = without_gz(path);
    return plain.ends_with(".csv") || plain.ends_with(".tsv");
}

Result<std::vector<TableRow>> read_table(std::string_view text, const std::string & path, size_t max_rows) {
    TableReader reader(text, separator_of(text, path));
    std::vector<std::string> names, values;
    if (text.empty()) return error(QL_BAD_FILE, "1: the file is empty");
    QL_TRY(reader.row(names));
    QL_TRY(check_headings(names));
    std::vector<TableRow> rows;
    while (!reader.at_end()) {
        const int64_t line = reader.line();
        QL_TRY(reader.row(values));
        if (values.size() == 1 && values[0].empty()) continue;
        if (rows.size() == max_rows)
            return error(QL_UNSUPPORTED, "%lld: more than %zu samples; split the file", static_cast<long long>(line),
                         max_rows);
        rows.push_back(make_row(line, names, values));
    }
    return rows;
}

}  // namespace ql
