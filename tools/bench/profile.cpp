#include "tools/bench/profile.hpp"

#include <algorithm>
#include <vector>

#include "tools/cli/device_options.hpp"
#include "tools/cli/table.hpp"
#include "tools/cli/units.hpp"

namespace ql::cli {

void Profile::add(const ql_plan * plan) {
    auto info = sized<ql_plan_info>();
    check_run(ql_plan_describe(plan, &info));
    for (int64_t i = 0; i < info.n_nodes; ++i) {
        auto node = sized<ql_plan_node_info>();
        check_run(ql_plan_node(plan, i, &node));
        Sum & sum = ops_[node.op];
        ++sum.nodes;
        sum.seconds += node.seconds;
        sum.flops += node.flops * static_cast<double>(node.runs);
        sum.bytes += node.bytes * static_cast<double>(node.runs);
    }
}

Profile::Sum Profile::sum() const {
    Sum all;
    for (const auto & [op, s] : ops_)
        all.nodes += s.nodes, all.seconds += s.seconds, all.flops += s.flops, all.bytes += s.bytes;
    return all;
}

void Profile::print(int64_t steps, double step_seconds, const Limits & limits) const {
    std::vector<std::pair<std::string, Sum>> rows(ops_.begin(), ops_.end());
    std::sort(rows.begin(), rows.end(),
              [](const auto & a, const auto & b) { return a.second.seconds > b.second.seconds; });
    Table table({"operator", "nodes", "ms/step", "of step", "GFLOP/s", "of peak", "GB/s", "of bandwidth"});
    const auto percent = [](double x) { return print_number(100 * x, 1) + " %"; };
    const auto line = [&](const std::string & name, const Sum & s) {
        const double gflops = s.flops / s.seconds / 1e9, bandwidth = s.bytes / s.seconds / 1e9;
        table.add({name, std::to_string(s.nodes), print_number(1e3 * s.seconds / static_cast<double>(steps), 2),
                   percent(s.seconds / step_seconds), print_number(gflops, 1), percent(gflops / limits.gflops),
                   print_number(bandwidth, 1), percent(bandwidth / limits.bandwidth)});
    };
    for (const auto & [op, s] : rows)
        if (s.seconds > 0) line(op, s);
    const Sum all = sum();
    if (all.seconds > 0) line("all operators", all);
    table.print(stderr);
}

}  // namespace ql::cli
