// Merge-aware training: the forward pass uses the weight that a merged file will hold, Q(W + s B A), so that the merge
// gives the trained model bit for bit.
#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "models/adapter/adapter.hpp"
#include "models/graph/builder.hpp"
#include "models/model/model.hpp"
#include "ql/train.h"

namespace ql {

/// What a merge makes of a linear: its type, and whether it is rounded by thresholds.
struct MergeTarget {
    ql_dtype dtype;
    bool is_dithered;
};

/// What a merge into the run's merge_type makes of the adapter's linears, in their order; empty for a run that is not
/// merge-aware. The adapter notes how it rounds, and its scales become those that its file will say (alpha / r in f32),
/// which a merge reads.
/// errors  QL_INVALID_ARGUMENT, QL_UNSUPPORTED: no such type, or one that cannot be written; dropout; scales that one
///         alpha cannot express; a matrix without an adapter that the merge would convert
Result<std::vector<MergeTarget>> prepare_merge(const Model & model, Adapter & adapter,
                                               const ql_train_options & options);

/// Notes in the adapter what it is trained for, or that it is for no merge.
Status note_merge(Adapter & adapter, const Model & model, const ql_train_options & options);

/// The packed weights of a run and the nodes that make them.
class MergedLinears {
  public:
    /// A linear whose product is that of base and branch packed as `target` says.
    void add(GraphBuilder & b, const LoraMatrix & matrix, const LoraLeaves & branch, const MergeTarget & target);
    bool empty() const { return linears_.empty(); }
    /// Nodes that pack linear i again with A and B as they are then.
    ql_tensor * pack(ql_graph * g, size_t i, ql_tensor * a, ql_tensor * b) const;
    size_t size() const { return linears_.size(); }

    /// A plan of its own, for parameters that were written.
    Status plan(const GraphPtr & graph, ql_device * device, ql_plan * arena);
    Status run() const { return plan_ ? Status(ql_plan_run(plan_.get())) : Status(); }
    const PlanPtr & plan() const { return plan_; }
    ql_tensor * packed(size_t i) const { return linears_[i].packed; }

  private:
    struct Linear {
        ql_tensor *packed, *base;
        LoraLeaves branch;
        std::optional<uint32_t> dither;  // the key of its thresholds
    };
    std::vector<Linear> linears_;
    PlanPtr plan_;
};

}  // namespace ql
