// A plan: the list that the passes made of what some outputs need, with every byte placed, ready to run.
#pragma once
#include <memory>
#include <set>
#include <span>
#include <vector>

#include "ggml/graph/graph.hpp"
#include "ggml/plan/pass.hpp"
#include "ggml/plan/schedule.hpp"
#include "ql/plan.h"

struct ql_plan {
  public:
    /// devices: the graph's places; at least one.
    static ql::Result<std::unique_ptr<ql_plan>> create(ql_graph & graph, std::span<ql_device * const> devices,
                                                       std::span<ql_tensor * const> outputs,
                                                       const ql_plan_options & options = {});
    ql_plan(const ql_plan &) = delete;
    ql_plan & operator=(const ql_plan &) = delete;

    ql::Status run();
    /// Bytes of an output, as the plan's last run left them.
    ql::Status read(const ql_tensor & output, void * dst, size_t offset, size_t bytes) const;
    ql_plan_info describe() const;
    void set_profiling(bool on);
    /// Adds this plan's memory on a device, null: on all. `counted` are the leaves that another plan has added.
    void add_memory(const ql_device * device, std::set<std::pair<const ql_tensor *, const ql_device *>> & counted,
                    ql_memory_info & info) const;
    const ql::PlanList & list() const { return list_; }
    std::span<const ql::Step> steps() const { return steps_; }

  private:
    /// The plan's memory on one device.
    struct Memory {
        ql_device * device;
        ql::ByRegion<ql::Storage> regions = {};

        ql::Storage & of(ql::Region region) { return regions[static_cast<size_t>(region)]; }
        const ql::Storage & of(ql::Region region) const { return regions[static_cast<size_t>(region)]; }
        /// Bytes in another plan's arena.
        size_t shared() const { return of(ql::Region::arena).free ? 0 : of(ql::Region::arena).bytes; }
    };

    ql_plan() = default;
    ql::Status place(const ql_plan * over, bool checked);
    ql::Status place_on(Memory & memory, const ql_plan * over, bool checked);
    void bind();
    /// Null if the plan uses nothing of the device.
    const Memory * memory_on(const ql_device * device) const;
    void * address(const ql::Operand * t) const;
    void * address(const ql::Buffer & buffer) const;
    ql::Status run_in_turn(size_t held);

    ql::PlanList list_;
    std::vector<Memory> memory_;   // of each device that is used, in one order for all plans
    std::vector<ql::Step> steps_;  // of each node of the list
    ql::Schedule schedule_;
    bool profile_ = false;
};

namespace ql {
using Plan = ::ql_plan;
}
