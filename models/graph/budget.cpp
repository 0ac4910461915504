#include "models/graph/budget.hpp"

#include "ql/ql.hpp"

namespace ql {
namespace {

constexpr uint64_t kMiB = 1024 * 1024;

Status too_small(uint64_t memory, uint64_t needed, const std::string & advice) {
    const uint64_t given = memory < kMiB ? memory : memory / kMiB;
    const std::string unit = memory >= kMiB ? "MiB are" : memory == 1 ? "byte is" : "bytes are";
    return error(QL_NO_MEMORY, "memory: %llu %s given, and at least %llu MiB are needed; %s",
                 static_cast<unsigned long long>(given), unit.c_str(),
                 static_cast<unsigned long long>((needed + kMiB - 1) / kMiB), advice.c_str());
}

/// The smallest plans, where the budget takes them. What it lacks is known when they are there, so it is they that are
/// measured for the refusal: with what was expected of them, a budget that is named would be refused in its turn.
Status plan_least(uint64_t memory, uint64_t others, const BudgetedPlans & plans) {
    QL_ASSIGN(const uint64_t least, plans.least());
    const Status made = plans.make(least);
    if (!made.ok() && (made.code() != QL_NO_MEMORY || others + least <= memory))
        return made;  // the system gives no more
    const uint64_t needed = made.ok() ? plans.needed() : others + least;
    return made.ok() && needed <= memory ? Status() : too_small(memory, needed, plans.advice);
}

}  // namespace

uint64_t bytes_beside_weights(const Model & model) {
    std::vector<ql_os_block> blocks;
    for (const Weight & w : model.weights()) blocks.push_back({w.data, w.bytes});
    return ql_os_rss_without(blocks.data(), static_cast<int64_t>(blocks.size()));
}

Status plan_within(uint64_t memory, const BudgetedPlans & plans) {
    uint64_t others = plans.others;
    Status made;
    for (int attempt = 0; attempt <= kAttempts && others < memory; ++attempt) {
        if (made = plans.make(memory - others); !made.ok()) break;
        const uint64_t needed = plans.needed();
        if (needed <= memory) return {};
        others += needed - memory + kAttemptBytes;
    }
    if (!made.ok() && made.code() != QL_NO_MEMORY) return made;
    return plan_least(memory, others, plans);
}

}  // namespace ql
