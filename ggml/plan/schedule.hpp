// How a plan's steps run: which device and queue each goes to, and who waits for whom.
#pragma once
#include <memory>
#include <set>
#include <span>
#include <vector>

#include "ggml/plan/list.hpp"
#include "ql/status.hpp"

namespace ql {

/// Stages: each is a run of consecutive steps of one device. They are started in the order of the list; a stage waits
/// for those of other devices from which it needs something, or whose bytes it writes over, and for no others.
class Schedule {
  public:
    /// Of the nodes from `first` on. steps: one for each of them, bound to addresses; they outlive the schedule.
    static Result<Schedule> make(const PlanList & list, std::span<Step> steps, size_t first = 0);

    /// Returns when all is done, or when something went wrong and nothing runs any more.
    Status run(bool profile);
    size_t stages() const { return stages_.size(); }

  private:
    struct Stage {
        Device * device;
        std::unique_ptr<Executable> executable;
        std::set<size_t> after;  // earlier stages, of other devices
        Event done;
    };

    Status start(Stage & stage, bool profile);
    Status wait_for(const Stage & earlier, Device & device);
    Status finish();

    std::vector<Stage> stages_;
    std::vector<Device *> devices_;
};

}  // namespace ql
