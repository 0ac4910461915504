// A forward graph that ends in the losses of a stream's tokens, over one or several windows at once.
#pragma once
#include <memory>
#include <span>
#include <vector>

#include "models/data/batch.hpp"
#include "models/graph/builder.hpp"
#include "models/infer/applied_adapter.hpp"
#include "models/infer/merged_head.hpp"
#include "ql/engine.h"
#include "ql/ql.hpp"

namespace ql {

struct LossOptions {
    int64_t n_tokens = 512;  // of a window
    int64_t n_windows = 1;   // there are no more to go side by side
    uint64_t memory = 0;     // bytes that the process may take; 0: no limit, and windows go one by one
};

class LossGraph {
  public:
    /// The adapters' matrices are read in place: they outlive the graph.
    static Result<std::unique_ptr<LossGraph>> create(const Model & model, ql_device * device,
                                                     std::span<const AppliedAdapter> adapters,
                                                     const LossOptions & options);
    /// Windows that go through the model side by side.
    int64_t lanes() const { return describe().lanes; }
    ql_inference_info describe() const;
    /// Runs the first lanes, one for each window.
    Status run(std::span<const MicroBatch> windows);
    /// The losses of a lane's tokens, 0 where there is no target.
    Status read(int64_t lane, std::vector<float> & nll) const;

  private:
    LossGraph(const Model & model, const LossOptions & options) : model_(model), options_(options) {}
    Status build(ql_device * device, std::span<const AppliedAdapter> adapters);
    Status plan(ql_device * device);
    ql_plan_options plan_options(int lanes, uint64_t memory) const;
    Result<uint64_t> least_memory(ql_device * device, int lanes) const;
    Status make(ql_device * device, int lanes, uint64_t memory);
    ql_memory_info memory() const;
    Result<ql_tensor *> head(GraphBuilder & b, std::span<const AppliedAdapter> adapters);
    Status write(const MicroBatch & window, int lane);

    const Model & model_;
    const LossOptions options_;
    AppliedParts parts_;
    std::vector<std::vector<int32_t>> invocations_;  // of the adapters that have one, in their order
    AlignedBytes head_;                              // with the branches of adapters that change it
    GraphPtr graph_;
    StreamInputs inputs_;
    ql_tensor *targets_ = nullptr, *weights_ = nullptr, *nll_ = nullptr;
    PlanPtr plan_;
    uint64_t adapter_bytes_ = 0;  // of weights that are the adapters'
    uint64_t program_bytes_ = 0;  // of the process, besides the plan
};

}  // namespace ql
