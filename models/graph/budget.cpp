#include "models/graph/budget.hpp"

#include "ql/ql.hpp"

namespace ql {
namespace {

constexpr uint64_t kMiB = 1024 * 1024;

Status too_small(uint64_t memory, uint64_t needed, const std::string & advice) {
    const bool tiny = memory < kMiB;
    return error(QL_NO_MEMORY, "memory: %llu %s are given, and at least %llu MiB are needed; %s",
                 static_cast<unsigned long long>(tiny ? memory : memory / kMiB), tiny ? "bytes" : "MiB",
                 static_cast<unsigned long long>((needed + kMiB - 1) / kMiB), advice.c_str());
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
    QL_ASSIGN(const uint64_t least, plans.least());
    if (!made.ok() && others + least <= memory) return made;  // the system gives no more
    return too_small(memory, others + least, plans.advice);
}

}  // namespace ql
