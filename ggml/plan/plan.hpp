// A plan: the list that the passes made of what some outputs need, with every byte placed, ready to run.
//
// It runs for one or several lanes: copies of its inputs and results, micro-batches say, which share weights, parameters
// and states. With several, or with weights as pages, a run goes phase by phase (phases.hpp), and all lanes pass a phase
// before the next one begins.
#pragma once
#include <map>
#include <memory>
#include <set>
#include <span>
#include <vector>

#include "ggml/core/os/fd.hpp"
#include "ggml/graph/graph.hpp"
#include "ggml/plan/choice.hpp"
#include "ggml/plan/pass.hpp"
#include "ggml/plan/schedule.hpp"
#include "ggml/pool/page_queue.hpp"
#include "ql/plan.h"

struct ql_plan {
  public:
    /// devices: the graph's places; at least one.
    static ql::Result<std::unique_ptr<ql_plan>> create(ql_graph & graph, std::span<ql_device * const> devices,
                                                       std::span<ql_tensor * const> outputs,
                                                       const ql_plan_options & options = {});
    /// The smallest options.memory for which `create` finds a plan.
    static ql::Result<size_t> least_memory(ql_graph & graph, std::span<ql_device * const> devices,
                                           std::span<ql_tensor * const> outputs, const ql_plan_options & options);
    ql_plan(const ql_plan &) = delete;
    ql_plan & operator=(const ql_plan &) = delete;

    /// lanes    the first so many run
    ql::Status run(int lanes = 1);
    /// Bytes of an output, as the plan's last run of the lane left them.
    ql::Status read(const ql_tensor & output, void * dst, size_t offset, size_t bytes, int lane = 0) const;
    /// Bytes of an input of a lane.
    ql::Status write(const ql_tensor & input, const void * src, size_t offset, size_t bytes, int lane);
    ql_plan_info describe() const;
    void set_profiling(bool on);
    /// Adds this plan's memory on a device, null: on all, but for row_bytes(). `counted` are the leaves that another plan has
    /// added.
    void add_memory(const ql_device * device, std::set<std::pair<const ql_tensor *, const ql_device *>> & counted,
                    ql_memory_info & info) const;
    /// The most memory that rows of tables take while it runs. Between two runs they take none.
    size_t row_bytes() const { return choice_.paging.row_bytes; }
    const ql::PlanList & list() const { return list_; }
    /// Bytes in use while a node runs.
    struct Live {
        uint64_t results = 0, scratch = 0, pages = 0;
    };
    Live live(size_t node) const;
    int lanes() const { return choice_.lanes; }
    /// The steps of a lane's nodes.
    std::span<const ql::Step> steps(int lane = 0) const { return lanes_[static_cast<size_t>(lane)].steps; }

  private:
    /// The plan's memory on one device.
    struct Memory {
        ql_device * device;
        ql::ByRegion<ql::Storage> regions = {};
        ql::Layout layout = {};  // bytes of a region: of one lane, where each has its own

        ql::Storage & of(ql::Region region) { return regions[static_cast<size_t>(region)]; }
        const ql::Storage & of(ql::Region region) const { return regions[static_cast<size_t>(region)]; }
        bool owns(ql::Region region) const { return of(region).free != nullptr; }
        /// Bytes in another plan's memory.
        size_t shared() const;
        size_t owned(ql::Region region) const { return owns(region) ? of(region).bytes : 0; }
    };
    /// What each lane has of its own besides memory.
    struct Lane {
        std::vector<ql::Step> steps;       // of each node of the list
        std::vector<ql::Schedule> phases;  // over the steps
        std::vector<std::byte *> inputs;   // of each of inputs_; lane 0: in the graph
    };
    /// What a phase moves: at its beginning for the next one, and when its lanes are done.
    struct PhaseMoves {
        std::vector<ql::PageMove> before;                           // pages, first those of the phase itself
        size_t n_own = 0;                                           // of these
        std::vector<ql::PageMove> written;                          // what the phase was the last to change
        std::vector<std::vector<ql::PageMove>> lane_before, after;  // results, by lane
    };

    ql_plan() = default;
    ql::Status place(const ql_plan * over, bool checked);
    ql::Status place_on(Memory & memory, const ql_plan * over, bool checked);
    static void * place_in(const Memory & other, const Memory & memory, ql::Region region, size_t bytes);
    ql::Status place_inputs();
    void bind();
    void bind(ql::Step & step, size_t node, size_t lane);
    ql::Status prepare_moves(const char * spill, uint64_t memory);
    bool spills_lanes() const { return choice_.spills == ql::Spill::lanes; }
    bool cache_will_do(uint64_t memory) const;
    int direct(int fd);
    void add_absence(const ql::Absence & absence);
    ql::Status make_schedules();
    ql::Status make_row_readers();
    /// Null if the plan uses nothing of the device.
    const Memory * memory_on(const ql_device * device) const;
    void * address(size_t buffer, size_t lane, size_t node) const;
    void * address(const ql::Operand * t, size_t lane, size_t node) const;
    void * page_address(const ql_tensor & leaf, size_t node) const;
    ql::Status run_in_turn(size_t held, int lanes);
    ql::Status run_phases(int lanes);
    ql::Status run_phase(size_t phase, size_t lanes, uint64_t & before);
    ql::Status run_spilled_lanes(size_t phase, size_t lanes);
    ql::Status start_moves(size_t phase, size_t lanes, uint64_t & before);
    ql::Status run_lane(size_t phase, size_t lane);
    ql::Status start_rows(size_t phase, size_t lane, ql::PageQueue & queue);

    ql::PlanList list_;
    ql::PlanChoice choice_;
    std::vector<Memory> memory_;             // of each device that is used, in one order for all plans
    std::vector<const ql::Value *> inputs_;  // that each lane has of its own
    ql::Storage lane_inputs_;                // of all lanes but the first
    std::vector<Lane> lanes_;
    std::vector<PhaseMoves> moves_;  // by phase; empty: nothing is moved
    std::vector<ql::RowReader> rows_;
    ql::os::Fd spill_;
    std::map<int, ql::os::Fd> direct_;                           // files past the cache, by their descriptors
    std::unique_ptr<ql::PageQueue> queue_, lane_queue_;          // destroyed before what they move to
    bool filled_ = false;                                        // the weights that stay in memory are there
    std::shared_ptr<std::set<const ql_tensor *>> weights_read_;  // of these, by all plans over the same one
    bool profile_ = false;
};

namespace ql {
using Plan = ::ql_plan;
}
