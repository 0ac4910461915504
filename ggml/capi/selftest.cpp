// extern "C": ql/selftest.h. The runner throws if a case cannot be run; that is the case's result, caught here.
#include "ql/selftest.h"

#include <cmath>

#include "common/guarded.hpp"
#include "common/structs.hpp"
#include "ggml/backend/device.hpp"
#include "ggml/plan/pass.hpp"
#include "ggml/selftest/case_input.hpp"
#include "ggml/selftest/conformance.hpp"

namespace ql {
namespace {

constexpr size_t kQuickCases = 2;
constexpr uint64_t kSelftestSeed = 42;

struct Outcome {
    double error = 0;
    std::string message;
    bool left = false;  // to the CPU; the message says why
};

/// The largest error of a case, on tensors of f32 or on those that the kernel takes in bf16.
double error_of(ql_device & device, selftest::Conformance & conformance) {
    double error = 0;
    for (const bool reuse : {false, true}) {
        if (reuse && !conformance.can_reuse()) continue;
        const Turns::Held turn(device.turns);
        const auto got = conformance.run({*device.backend, device.impl}, reuse);
        for (size_t i = 0; i < got.size(); ++i) error = std::max(error, selftest::nmse(got[i], conformance.wanted(i)));
    }
    return error;
}

Outcome run_case(ql_device & device, const OpDef & def, const Case & c) {
    Outcome outcome;
    try {
        selftest::Conformance plain(def, c, kSelftestSeed);
        if (const Status taken = takes(device, plain.node()); !taken.ok() && !device.caps.host_memory)
            return {0, taken.message(), true};
        outcome.error = error_of(device, plain);
        if (!device.caps.bf16) return outcome;
        selftest::Conformance narrow(def, c, kSelftestSeed, device.backend->kernels[op_index(&def)]);
        const double limit = selftest::conformance_limit(def, device.caps, true);
        if (const double error = narrow.narrows() ? error_of(device, narrow) : 0; !(error <= limit))
            outcome.message = format("on tensors of bf16 the error is %g", error);
    } catch (const std::exception & e) {
        outcome = {INFINITY, e.what()};
    }
    return outcome;
}

Status self_test(ql_device & device, bool quick, int (*on_case)(void *, const ql_self_test_case *), void * user,
                 int64_t & n_failed) {
    std::vector<std::pair<const OpDef *, Case>> cases;
    for (const OpDef * def : kOps) {
        const std::vector<Case> all = def->cases();
        for (size_t i = 0; i < all.size() && (!quick || i < kQuickCases); ++i) cases.emplace_back(def, all[i]);
    }
    for (size_t i = 0; i < cases.size(); ++i) {
        const auto & [def, c] = cases[i];
        const Outcome outcome = run_case(device, *def, c);
        const double limit = selftest::conformance_limit(*def, device.caps);
        const bool passed = outcome.left || (outcome.message.empty() && outcome.error <= limit);
        n_failed += passed ? 0 : 1;
        const std::string op(def->name);
        const ql_self_test_case result = {sizeof(result),
                                          op.c_str(),
                                          c.name,
                                          passed,
                                          outcome.error,
                                          limit,
                                          outcome.message.c_str(),
                                          static_cast<int64_t>(i),
                                          static_cast<int64_t>(cases.size())};
        if (on_case && on_case(user, &result))
            return error(QL_CANCELLED, "self-test stopped after %zu of %zu cases", i + 1, cases.size());
    }
    return {};
}

}  // namespace
}  // namespace ql

ql_status ql_self_test(ql_device * device, int quick, int (*on_case)(void *, const ql_self_test_case *), void * user,
                       int64_t * n_failed) {
    return ql::guarded([&]() -> ql::Status {
        if (!device) return ql::error(QL_INVALID_ARGUMENT, "ql_self_test: device is NULL");
        int64_t failed = 0;
        ql::Status status = ql::self_test(*device, quick != 0, on_case, user, failed);
        if (n_failed) *n_failed = failed;
        return status;
    });
}

ql_status ql_self_test_weights(ql_dtype dtype, uint64_t seed, int64_t n, float rms, void * dst) {
    return ql::guarded([&]() -> ql::Status {
        if (!dst) return ql::error(QL_INVALID_ARGUMENT, "ql_self_test_weights: dst is NULL");
        return ql::selftest::random_weights(ql::dtype_of_caller(dtype), seed, n, rms, dst);
    });
}
