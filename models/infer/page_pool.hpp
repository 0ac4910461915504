// Which pages of a cache are taken, and by how many owners: a page that sequences share has several.
#pragma once
#include <cstdint>
#include <functional>
#include <queue>
#include <vector>

namespace ql {

class PagePool {
  public:
    explicit PagePool(int64_t n_pages) : owners_(static_cast<size_t>(n_pages), 0) {
        for (int64_t i = 0; i < n_pages; ++i) free_.push(static_cast<int32_t>(i));
    }

    int64_t n_pages() const { return static_cast<int64_t>(owners_.size()); }
    int64_t n_free() const { return static_cast<int64_t>(free_.size()); }
    int64_t owners(int32_t page) const { return owners_[static_cast<size_t>(page)]; }

    /// Gives a page to its first owner; one must be free. The lowest first: then the pages of a sequence that is alone
    /// follow each other, and kernels read them as one run.
    int32_t take() {
        const int32_t page = free_.top();
        free_.pop();
        share(page);
        return page;
    }
    void share(int32_t page) { ++owners_[static_cast<size_t>(page)]; }
    /// Takes an owner from a page; a page without owners is free.
    void release(int32_t page) {
        if (--owners_[static_cast<size_t>(page)] == 0) free_.push(page);
    }

  private:
    std::vector<int32_t> owners_;
    std::priority_queue<int32_t, std::vector<int32_t>, std::greater<>> free_;
};

}  // namespace ql
