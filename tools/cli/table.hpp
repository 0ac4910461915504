// A small table of text: the first column is aligned left, the others right unless told otherwise. Cells may come
// from files: they are escaped.
#pragma once
#include <cstdio>
#include <string>
#include <vector>

namespace ql::cli {

class Table {
  public:
    Table() = default;
    explicit Table(std::vector<std::string> head) { add(std::move(head)), has_head_ = true; }
    void add(std::vector<std::string> row);
    /// Columns that are aligned left; the first always is.
    void left(std::vector<size_t> columns) { left_ = std::move(columns); }
    void print(std::FILE * out) const;

  private:
    bool stands_left(size_t column) const;
    std::vector<std::vector<std::string>> rows_;
    std::vector<size_t> left_;
    bool has_head_ = false;
};

}  // namespace ql::cli
