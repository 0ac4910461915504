// A plan: the nodes that some outputs need, in order, with kernels chosen and every byte placed.
#pragma once
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "ggml/backend/device.hpp"
#include "ggml/graph/graph.hpp"
#include "ggml/plan/layout.hpp"
#include "ggml/plan/narrow.hpp"
#include "ql/plan.h"

struct ql_plan {
  public:
    static ql::Result<std::unique_ptr<ql_plan>> create(ql_graph & graph, ql_device & device,
                                                       std::span<ql_tensor * const> outputs,
                                                       const ql_plan * over = nullptr);
    ~ql_plan();
    ql_plan(const ql_plan &) = delete;
    ql_plan & operator=(const ql_plan &) = delete;

    ql::Status run();
    ql_plan_info describe() const;
    void set_profiling(bool on);
    std::span<const ql::Step> steps() const { return steps_; }
    /// Where an output of this plan lies; null data for a tensor that is none.
    ql::Storage output(const ql_tensor * t) const;

  private:
    explicit ql_plan(ql_device & device) : device_(device) {}

    ql::Status choose_kernels();
    ql::Status allocate_leaves();
    void find_lifetimes(std::span<ql_tensor * const> outputs);
    ql::Status place(const ql_plan * over);
    void bind(std::span<ql_tensor * const> outputs);
    const ql::Operand * holder(
        const ql::Operand * t) const;  // the one whose bytes t's are, fusion and reuse considered
    void * address(const ql::Operand * t) const;
    const ql::Node & rule_node(const ql::Node & n) const;  // the one that the shape rule knows
    void rewrite(std::span<ql_tensor * const> outputs);

    ql_device & device_;
    std::vector<const ql::Node *> nodes_;
    ql::Fused fused_;        // owns nodes that fusion made
    ql::Narrowed narrowed_;  // owns nodes and tensors over bf16
    std::vector<const ql::Kernel *> kernels_;
    std::unordered_map<const ql::Operand *, const ql::Operand *> same_;  // results that are held by another tensor
    std::unordered_map<const ql::Operand *, size_t> buffer_of_;          // holder -> index in buffers_
    std::vector<ql::Buffer> buffers_;
    std::vector<size_t> scratch_of_;  // step -> index in buffers_, or SIZE_MAX
    std::unordered_map<const ql_tensor *, ql::Storage> outputs_;
    ql::Storage arena_;
    bool shares_arena_ = false;  // it is another plan's
    std::vector<ql::Step> steps_;
    ql::Executable * executable_ = nullptr;
    bool profile_ = false;
    uint64_t leaf_bytes_ = 0, weight_bytes_ = 0;
    double flops_ = 0;
};

namespace ql {
using Plan = ::ql_plan;
}
