// Where the time of a plan's runs went, operator by operator.
#pragma once
#include <map>
#include <string>

#include "ql/plan.h"
#include "tools/bench/measure.hpp"

namespace ql::cli {

class Profile {
  public:
    /// Adds every node of a plan that ran with profiling on.
    void add(const ql_plan * plan);
    struct Sum {
        int64_t nodes = 0;
        double seconds = 0, flops = 0, bytes = 0;  // of all runs
    };
    /// Of all operators.
    Sum sum() const;
    /// A table on stderr: time a step, share of it, GFLOP/s and GB/s with their parts of the machine's limits; the last
    /// line is what the operators account for of `step_seconds`, the measured time of all steps.
    void print(int64_t steps, double step_seconds, const Limits & limits) const;

  private:
    std::map<std::string, Sum> ops_;
};

}  // namespace ql::cli
