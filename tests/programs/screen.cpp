#include "programs/screen.hpp"

#include <algorithm>
#include <cstdlib>

namespace ql::test {
namespace {

size_t length_of_character(unsigned char first) {
    return first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
}

}  // namespace

std::vector<std::string> & Screen::row() {
    while (rows_.size() <= line_) rows_.emplace_back();
    return rows_[line_];
}

void Screen::put(const std::string & cell) {
    if (column_ >= columns_) ++line_, column_ = 0;  // the last column wraps when the next character comes
    std::vector<std::string> & cells = row();
    while (cells.size() <= column_) cells.emplace_back(" ");
    cells[column_++] = cell;
}

void Screen::obey(const std::string & sequence) {
    const char what = sequence.back();
    const std::string digits = sequence.substr(2, sequence.size() - 3);
    const auto n = static_cast<size_t>(std::max(1, std::atoi(digits.c_str())));
    std::vector<std::string> & cells = row();
    if (what == 'm' || (digits.starts_with('?') && (what == 'h' || what == 'l'))) return;
    if (what == 'K' && (digits.empty() || digits == "0"))
        cells.resize(std::min(cells.size(), column_));
    else if (what == 'K' && digits == "2")
        cells.clear();
    else if (what == 'A')
        line_ -= std::min(line_, n);
    else if (what == 'C')
        column_ += n;
    else if (what == 'G')
        column_ = n - 1;
    else if (what == 'P' && column_ < cells.size())
        cells.erase(cells.begin() + static_cast<std::ptrdiff_t>(column_),
                    cells.begin() + static_cast<std::ptrdiff_t>(std::min(cells.size(), column_ + n)));
    else if (what == '@' && column_ < cells.size())
        cells.insert(cells.begin() + static_cast<std::ptrdiff_t>(column_), n, " ");
    else if (what == 'J' && digits.empty())
        cells.resize(std::min(cells.size(), column_)), rows_.resize(line_ + 1);
    else
        for (const char c : "ESC" + sequence.substr(1)) put({c});
}

void Screen::write(const std::string & bytes) {
    for (const char c : bytes) {
        if (!pending_.empty()) {
            pending_ += c;
            if (pending_[0] == '\033') {
                const bool ends = pending_.size() > 2 && c >= '@' && c <= '~';
                if (pending_.size() == 2 && c != '[') pending_.clear();  // no sequence that we know
                if (ends) obey(pending_), pending_.clear();
            } else if (pending_.size() == length_of_character(static_cast<unsigned char>(pending_[0]))) {
                put(pending_), pending_.clear();
            }
            continue;
        }
        if (c == '\033' || static_cast<unsigned char>(c) >= 0xC0)
            pending_ = c;
        else if (c == '\r')
            column_ = 0;
        else if (c == '\n')
            ++line_, (void)row();
        else if (c == '\b')
            column_ -= column_ > 0 ? 1 : 0;
        else if (c >= ' ')
            put({c});
    }
}

std::vector<std::string> Screen::rows() const {
    std::vector<std::string> all;
    for (const auto & cells : rows_) {
        std::string & text = all.emplace_back();
        for (const std::string & cell : cells) text += cell;
        while (!text.empty() && text.back() == ' ') text.pop_back();
    }
    while (!all.empty() && all.back().empty()) all.pop_back();
    return all;
}

std::string Screen::text() const {
    std::string all;
    for (const std::string & row : rows()) all += row + "\n";
    return all;
}

int Screen::count(const std::string & part) const {
    const auto all = rows();
    return static_cast<int>(
        std::count_if(all.begin(), all.end(), [&](const std::string & r) { return r.find(part) != r.npos; }));
}

}  // namespace ql::test
