// One operator at the shapes of a small model (SmolLM2-135M: 576 wide, feed-forward 1536), or at a given one. The
// plan's own profile times it, so that a backward operator is measured apart from the graph around it.
#include <cstring>

#include "ql/os.h"
#include "tools/bench/bench.hpp"
#include "tools/bench/op_graph.hpp"
#include "tools/bench/profile.hpp"
#include "tools/bench/random_codes.hpp"

namespace ql::cli {
namespace {

constexpr int kRepeats = 7;
constexpr double kSeconds = 0.6;

/// Of all runs of an operator's nodes so far.
Profile::Sum profile(const ql_plan * plan, const std::string & op) {
    Profile all;
    all.add(plan);
    return all.of(op);
}

Figure measure(const Device & device, const std::string & name, const OpShape & shape, const Limits & limits) {
    const OpGraph graph(name, shape);
    ql_plan * plan = nullptr;
    check_run(ql_plan_create(graph.graph(), device.get(), graph.outputs().data(),
                             static_cast<int>(graph.outputs().size()), &plan));
    const Plan owner(plan);
    graph.fill();
    check_run(ql_plan_set_profiling(plan, 1));
    check_run(ql_plan_run(plan));  // warms up
    std::vector<double> rates;
    Profile::Sum before = profile(plan, name);
    const bool computes = before.flops > 0;  // else it moves memory alone
    const auto work = [&](const Profile::Sum & p) { return computes ? p.flops : p.bytes; };
    if (work(before) == 0) run_failed("op %s: the plan has no such node", name.c_str());
    const double start = ql_os_seconds();
    for (int r = 0; r < kRepeats && (r < 2 || ql_os_seconds() - start < 4 * kSeconds); ++r) {
        const double begin = ql_os_seconds();
        do {
            check_interrupt();
            check_run(ql_plan_run(plan));
        } while (ql_os_seconds() - begin < kSeconds / kRepeats);
        const Profile::Sum p = profile(plan, name);
        rates.push_back((work(p) - work(before)) / std::max(p.seconds - before.seconds, 1e-12) / 1e9);
        before = p;
    }
    const std::string text =
        (OpGraph::has_weight(name) ? std::string(ql_dtype_name(shape.dtype)) + " " : std::string()) +
        format("%lld x %lld, %lld tokens", static_cast<long long>(shape.k), static_cast<long long>(shape.m),
               static_cast<long long>(shape.t));
    return computes ? figure(name, text, rates, "GFLOP/s", limits.gflops)
                    : figure(name, text, rates, "GB/s", limits.bandwidth);
}

}  // namespace

std::vector<Figure> bench_op(const Device & device, const OpBench & o, const Limits & limits) {
    std::vector<ql_dtype> types = {QL_NF4_DQ, QL_Q4_0, QL_Q8_0, QL_F16, QL_F32};
    if (!o.type.empty()) types = {weight_type("--type", o.type)};
    if (!OpGraph::has_weight(o.name)) types.resize(1);
    std::vector<std::vector<int64_t>> shapes = {{576, 1536, 512}, {576, 1536, 1}};
    if (!o.shape.empty()) shapes = {o.shape};
    std::vector<Figure> figures;
    for (const auto & s : shapes)
        for (const ql_dtype type : types) figures.push_back(measure(device, o.name, {type, s[0], s[1], s[2]}, limits));
    return figures;
}

}  // namespace ql::cli
