#include "models/graph/own_rows.hpp"

#include <algorithm>

#include "models/graph/builder.hpp"
#include "ql/ql.hpp"

namespace ql {
namespace {

/// [n, m] -> [m, n].
ql_tensor * transposed(ql_graph * g, ql_tensor * x) {
    const int from[] = {1, 0, 2, 3};
    return ql_permute(g, x, from);
}

class OwnRowsBranch : public Branch {
  public:
    explicit OwnRowsBranch(const OwnRows & rows) : rows_(rows) {}
    ql_tensor * add_to(GraphBuilder & b, const LinearSite & site) const override {
        ql_graph * g = b.graph();
        ql_tensor * own = transposed(g, ql_mul_mat(g, rows_.values, site.x));         // [T, R]
        ql_tensor * theirs = ql_gather_rows(g, transposed(g, site.base), rows_.ids);  // [T, R]
        ql_tensor * change = ql_add(g, own, ql_scale(g, theirs, -1, 0));
        ql_tensor * all = ql_scatter_add_rows(g, change, rows_.ids, ql_tensor_ne(site.w, 1));  // [T, m]
        return ql_add(g, site.y, transposed(g, all));
    }

  private:
    OwnRows rows_;
};

}  // namespace

ql_tensor * with_own_rows(ql_graph * g, ql_tensor * x, const OwnRows & rows, ql_tensor * slots) {
    x = ql_add(g, x, ql_gather_rows(g, rows.minus, slots));
    return ql_add(g, x, ql_gather_rows(g, rows.values, slots));
}

BranchPtr own_rows_branch(const OwnRows & rows) {
    return std::make_unique<OwnRowsBranch>(rows);
}

std::vector<int32_t> slots_of(std::span<const int32_t> ids, std::span<const int32_t> tokens) {
    std::vector<int32_t> slots(tokens.size(), -1);
    for (size_t i = 0; i < tokens.size(); ++i) {
        const auto at = std::lower_bound(ids.begin(), ids.end(), tokens[i]);
        if (at != ids.end() && *at == tokens[i]) slots[i] = static_cast<int32_t>(at - ids.begin());
    }
    return slots;
}

}  // namespace ql
