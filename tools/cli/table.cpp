#include "tools/cli/table.hpp"

#include <algorithm>

#include "tools/cli/escape.hpp"

namespace ql::cli {
namespace {

/// Columns that the text takes on a terminal: UTF-8 sequences count once.
size_t width_of(const std::string & text) {
    return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace

void Table::add(std::vector<std::string> row) {
    for (std::string & cell : row) cell = escape_line(cell);
    rows_.push_back(std::move(row));
}

bool Table::stands_left(size_t column) const {
    return column == 0 || std::find(left_.begin(), left_.end(), column) != left_.end();
}

void Table::print(std::FILE * out) const {
    std::vector<size_t> widths;
    for (const auto & row : rows_) {
        widths.resize(std::max(widths.size(), row.size()));
        for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
    }
    for (size_t r = 0; r < rows_.size(); ++r) {
        std::string line;
        for (size_t i = 0; i < rows_[r].size(); ++i) {
            const std::string & cell = rows_[r][i];
            const std::string pad(widths[i] - width_of(cell), ' ');
            line += (i ? "  " : "") + (stands_left(i) ? cell + pad : pad + cell);
        }
        line.erase(line.find_last_not_of(' ') + 1);
        std::fprintf(out, "%s\n", line.c_str());
        if (r > 0 || !has_head_) continue;
        size_t total = 0;
        for (const size_t w : widths) total += w + 2;
        std::fprintf(out, "%s\n", std::string(total - 2, '-').c_str());
    }
}

}  // namespace ql::cli
