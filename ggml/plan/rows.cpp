#include "ggml/plan/rows.hpp"

#include <algorithm>

#include "ggml/dtypes/dtype.hpp"
#include "ggml/ops/op.hpp"

namespace ql {

bool reads_rows(const PlanNode & node, size_t source) {
    if (node.def != &op::get_rows || source != 0) return false;
    const Operand &table = *node.src[0], &ids = *node.src[1];
    return table.is_leaf() && table.kind == TensorKind::weight && !is_planar(table.dtype) && ids.is_leaf() &&
           ids.kind == TensorKind::input;
}

RowUse row_use(const PlanNode & node, size_t index, size_t phase) {
    const Operand & table = *node.src[0];
    const auto n_rows = static_cast<size_t>(table.ne(1));
    return {root_of(&table)->tensor, index,  phase,
            table.bytes() / n_rows,  n_rows, static_cast<size_t>(node.src[1]->ne(0))};
}

size_t row_memory(const RowUse & use) {
    const size_t most = use.n_ids * (padded(use.row_bytes, os::kPageBytes) + os::kPageBytes);
    return std::min(most, padded(use.row_bytes * use.n_rows, os::kPageBytes));
}

Result<RowReader> RowReader::make(const RowUse & use) {
    const os::FileRange file = os::mapped_range(use.table->storage.data, use.table->bytes());
    QL_ASSIGN(os::SparsePages pages, os::SparsePages::reserve(use.table->bytes()));
    RowReader reader(use, file, std::move(pages));
    reader.wanted_.reserve(use.n_ids);  // a run allocates nothing
    reader.moves_.reserve(use.n_ids);
    return reader;
}

Status RowReader::start(const int32_t * ids, PageQueue & queue) {
    wanted_.clear();
    for (size_t i = 0; i < use_.n_ids; ++i)
        if (ids[i] >= 0 && static_cast<size_t>(ids[i]) < use_.n_rows) wanted_.push_back(ids[i]);
    std::sort(wanted_.begin(), wanted_.end());
    wanted_.erase(std::unique(wanted_.begin(), wanted_.end()), wanted_.end());
    moves_.clear();
    for (const int32_t id : wanted_) {
        const size_t at = static_cast<size_t>(id) * use_.row_bytes;
        moves_.push_back({{file_.fd, file_.offset + at, use_.row_bytes}, table() + at});
    }
    return queue.start(moves_);
}

}  // namespace ql
