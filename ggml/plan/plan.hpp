// A plan: the list that the passes made of what some outputs need, with every byte placed, ready to run.
#pragma once
#include <memory>
#include <span>
#include <vector>

#include "ggml/graph/graph.hpp"
#include "ggml/plan/pass.hpp"
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
    /// Bytes of an output, as the plan's last run left them.
    ql::Status read(const ql_tensor & output, void * dst, size_t offset, size_t bytes) const;
    ql_plan_info describe() const;
    void set_profiling(bool on);
    std::span<const ql::Step> steps() const { return steps_; }

  private:
    explicit ql_plan(ql_device & device) : device_(device) {}

    ql::Status allocate_leaves();
    ql::Status place(const ql_plan * over, bool checked);
    void bind();
    void * address(const ql::Operand * t) const;
    void * address(const ql::Buffer & buffer) const;

    ql_device & device_;
    ql::PlanList list_;
    ql::Storage arena_;          // results and scratch, between whose runs other plans may use it
    bool shares_arena_ = false;  // it is another plan's
    ql::Storage output_memory_;  // results that are read after a run
    std::vector<ql::Step> steps_;
    ql::Executable * executable_ = nullptr;
    bool profile_ = false;
    uint64_t leaf_bytes_ = 0, weight_bytes_ = 0;
    double flops_ = 0;
};

namespace ql {
using Plan = ::ql_plan;
}
