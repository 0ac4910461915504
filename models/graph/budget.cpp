#include "models/graph/budget.hpp"

#include "ql/ql.hpp"

namespace ql {
namespace {

constexpr uint64_t kMiB = 1024 * 1024;

Status too_small(uint64_t memory, uint64_t needed, const std::string & advice) {
    return error(QL_NO_MEMORY, "memory: %llu MiB are given, and at least %llu MiB are needed; %s",
                 static_cast<unsigned long long>(memory / kMiB),
                 static_cast<unsigned long long>((needed + kMiB - 1) / kMiB), advice.c_str());
}

Status plan_with(int lanes, uint64_t memory, const BudgetedPlans & plans) {
    uint64_t others = plans.others(lanes);
    for (int attempt = 0;; ++attempt) {
        QL_ASSIGN(const uint64_t least, plans.least(lanes));
        if (others + least > memory) return too_small(memory, others + least, plans.advice);
        QL_TRY(plans.make(lanes, memory - others));
        const uint64_t needed = plans.needed();
        if (needed <= memory) return {};
        if (attempt == kAttempts) return too_small(memory, others + least, plans.advice);
        others += needed - memory + kAttemptBytes;
    }
}

}  // namespace

uint64_t bytes_beside_weights(const Model & model) {
    std::vector<ql_os_block> blocks;
    for (const Weight & w : model.weights()) blocks.push_back({w.data, w.bytes});
    return ql_os_rss_without(blocks.data(), static_cast<int64_t>(blocks.size()));
}

/// Where there is no room for what belongs to several lanes, there may be for one.
Status plan_within(uint64_t memory, int lanes, const BudgetedPlans & plans) {
    Status status = plan_with(lanes, memory, plans);
    return status.code() == QL_NO_MEMORY && lanes > 1 ? plan_with(1, memory, plans) : status;
}

}  // namespace ql
