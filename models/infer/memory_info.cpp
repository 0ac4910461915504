#include "models/infer/memory_info.hpp"

#include <algorithm>

namespace ql {

uint64_t bytes_of(std::span<const AppliedAdapter> adapters, const AppliedParts & parts) {
    size_t values = 0;
    for (const auto & [weight, norm] : parts.norms) values += norm.size();
    for (const auto & [weight, rows] : parts.rows) values += rows.ids.size() + rows.values.size() + rows.minus.size();
    for (const AppliedDora & dora : parts.doras) values += dora.rows.size() + dora.b.size();
    for (const AppliedAdapter & applied : adapters)
        for (const LoraMatrix & m : applied.adapter->matrices)
            values += m.down().size() + (m.kind == LoraKind::dora ? 0 : m.b.size());
    return values * sizeof(float);
}

ql_inference_info inference_info(const ql_memory_info & memory, const PlanPtr & pass, uint64_t adapter_bytes,
                                 uint64_t program_bytes) {
    ql_plan_info plan{sizeof(plan)};
    (void)ql_plan_describe(pass.get(), &plan);
    ql_inference_info info{sizeof(info)};
    info.planned_peak_bytes = memory.total + program_bytes;
    info.weight_bytes = memory.weights - std::min(memory.weights, adapter_bytes);
    info.page_bytes = memory.pages;
    info.adapter_bytes = adapter_bytes;
    info.cache_bytes = memory.states;
    info.activation_bytes = memory.results + memory.staging;
    info.workspace_bytes = memory.scratch;
    info.input_bytes = memory.inputs;
    info.program_bytes = program_bytes;
    info.read_bytes_per_pass = plan.read_bytes;
    info.lanes = plan.lanes;
    return info;
}

}  // namespace ql
