// What a person sees of a program's output: a terminal of some columns, as far as our programs use one. Rows that scroll
// out of a window stay here.
#pragma once
#include <string>
#include <vector>

namespace ql::test {

class Screen {
  public:
    explicit Screen(int columns) : columns_(static_cast<size_t>(columns)) {}
    /// Lines that are there already stay as they are.
    void resize(int columns) { columns_ = static_cast<size_t>(columns); }
    /// Text, \r, \n, \b, and of escape sequences: erase to the end of the line (K), the whole line (2K), to the end
    /// of the screen (J), up (A), right (C), to a column (G), insert (@) and delete (P) characters, colours (m), modes
    /// (?h, ?l).
    /// Another one is shown as it is: a test then sees it.
    void write(const std::string & bytes);
    /// The rows without blanks at their ends; no empty ones at the end.
    std::vector<std::string> rows() const;
    /// The rows with '\n' after each.
    std::string text() const;
    /// Rows that hold a text.
    int count(const std::string & part) const;

  private:
    void put(const std::string & cell);
    void obey(const std::string & sequence);
    std::vector<std::string> & row();

    size_t columns_;
    size_t line_ = 0, column_ = 0;
    std::vector<std::vector<std::string>> rows_;  // a cell holds one character's bytes
    std::string pending_;                         // the beginning of a sequence or of a character
};

}  // namespace ql::test
