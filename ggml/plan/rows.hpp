// Tables of which nodes read no more than some rows, the embeddings of a stream's tokens: those rows are read from the
// file, and nothing else of the table is in memory.
//
// The rows come to lie where they would lie in the whole table: in address space of its size, of which only the pages
// that are written to are memory. So the kernel reads them as ever, and gives the same bits.
#pragma once
#include <vector>

#include "ggml/core/os/os.hpp"
#include "ggml/plan/phases.hpp"
#include "ggml/pool/page_queue.hpp"

namespace ql {

/// A node that reads rows of a table, which `ids`, an input of the graph, names.
struct RowUse {
    Tensor * table = nullptr;
    size_t node = 0, phase = 0;
    size_t row_bytes = 0, n_rows = 0;  // rows: of the table
    size_t n_ids = 0;                  // of a lane
};

/// Whether the node's source is such a table: a weight whose rows each lie in one piece, named by an input.
bool reads_rows(const PlanNode & node, size_t source);
RowUse row_use(const PlanNode & node, size_t index, size_t phase);
/// The most memory that the rows of a lane take.
size_t row_memory(const RowUse & use);

/// The rows of one use, while a lane runs its phase.
class RowReader {
  public:
    static Result<RowReader> make(const RowUse & use);
    const RowUse & use() const { return use_; }
    /// Where the table begins.
    std::byte * table() const { return pages_.data(); }
    /// Starts to read the rows that a lane needs. Ids outside the table name none.
    Status start(const int32_t * ids, PageQueue & queue);
    /// The rows are not needed any more.
    void drop() { pages_.drop(); }

  private:
    RowReader(const RowUse & use, os::FileRange file, os::SparsePages pages)
        : use_(use), file_(file), pages_(std::move(pages)) {}

    RowUse use_;
    os::FileRange file_;  // the table
    os::SparsePages pages_;
    std::vector<int32_t> wanted_;
    std::vector<PageMove> moves_;
};

}  // namespace ql
