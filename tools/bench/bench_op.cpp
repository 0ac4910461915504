// One operator at the shapes of a small model (SmolLM2-135M: 576 wide, feed-forward 1536), or at a given one: the
// library makes a plan of it alone (ql/selftest.h), and the plan's own profile times it.
#include "ql/ql.hpp"
#include "tools/bench/bench.hpp"
#include "tools/bench/profile.hpp"
#include "tools/bench/random_codes.hpp"

namespace ql::cli {
namespace {

struct OpShape {
    ql_dtype dtype;   // of the weight
    int64_t k, m, t;  // row length, rows, tokens
};

constexpr int kRepeats = 7;
constexpr double kSeconds = 0.6;

/// The row of the table of operators; Stop with the known names for any other.
ql_op_info find_op(const std::string & name) {
    std::string known;
    for (int64_t i = 0; i < ql_op_count(); ++i) {
        auto info = sized<ql_op_info>();
        check_run(ql_op_describe(i, &info));
        if (name == info.name) return info;
        known += (known.empty() ? "" : ", ") + std::string(info.name);
    }
    bad_input("op: '%s' is unknown; one of %s", name.c_str(), known.c_str());
}

OpBenchPtr open_run(const DevicePtr & device, const std::string & name, const OpShape & s) {
    OpBenchPtr bench;
    const Status status = ql_op_bench_create(device.get(), name.c_str(), s.dtype, s.k, s.m, s.t, out(bench));
    if (status.code() == QL_BAD_SHAPE) bad_input("--shape: %s", status.message().c_str());
    check_run(status);
    return bench;
}

/// Whether a run is measured by its arithmetic, not by memory: an operation or more for each number of f32 moved.
bool computes(const Profile::Sum & sum) {
    return sum.flops >= sum.bytes / sizeof(float);
}

/// The sum over all runs of the plan so far, and over its nodes: the planner may have split the operator.
Profile::Sum profile(const ql_plan * plan) {
    Profile all;
    all.add(plan);
    return all.sum();
}

Figure measure(const DevicePtr & device, const ql_op_info & op, const OpShape & shape, const Limits & limits) {
    const OpBenchPtr run = open_run(device, op.name, shape);
    ql_plan * plan = ql_op_bench_plan(run.get());
    check_run(ql_plan_set_profiling(plan, 1));
    check_run(ql_plan_run(plan));  // warms up
    std::vector<double> rates;
    Profile::Sum before = profile(plan);
    const bool by_flops = computes(before);
    const auto work = [&](const Profile::Sum & p) { return by_flops ? p.flops : p.bytes; };
    if (work(before) == 0) run_failed("op %s: there is nothing to measure", op.name);
    const double start = ql_os_seconds();
    for (int r = 0; r < kRepeats && (r < 2 || ql_os_seconds() - start < 4 * kSeconds); ++r) {
        const double begin = ql_os_seconds();
        do {
            check_interrupt();
            check_run(ql_plan_run(plan));
        } while (ql_os_seconds() - begin < kSeconds / kRepeats);
        const Profile::Sum p = profile(plan);
        rates.push_back((work(p) - work(before)) / std::max(p.seconds - before.seconds, 1e-12) / 1e9);
        before = p;
    }
    const std::string text = (op.has_weight ? std::string(ql_dtype_name(shape.dtype)) + " " : std::string()) +
                             format("%lld x %lld, %lld tokens", static_cast<long long>(shape.k),
                                    static_cast<long long>(shape.m), static_cast<long long>(shape.t));
    return by_flops ? figure(op.name, text, rates, "GFLOP/s", limits.gflops)
                    : figure(op.name, text, rates, "GB/s", limits.bandwidth);
}

}  // namespace

void check_op(const std::string & name) {
    (void)find_op(name);
}

std::vector<Figure> bench_op(const DevicePtr & device, const OpBench & o, const Limits & limits) {
    std::vector<ql_dtype> types = {QL_NF4_DQ, QL_Q4_0, QL_Q8_0, QL_F16, QL_F32};
    if (!o.type.empty()) types = {weight_type("--type", o.type)};
    const ql_op_info op = find_op(o.name);
    if (!op.has_weight) types.resize(1);
    std::vector<std::vector<int64_t>> shapes = {{576, 1536, 512}, {576, 1536, 1}};
    if (!o.shape.empty()) shapes = {o.shape};
    std::vector<Figure> figures;
    for (const auto & s : shapes)
        for (const ql_dtype type : types) figures.push_back(measure(device, op, {type, s[0], s[1], s[2]}, limits));
    return figures;
}

}  // namespace ql::cli
