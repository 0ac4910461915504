#include "models/infer/applied_adapter.hpp"

namespace ql {

void attach_adapters(GraphBuilder & b, std::span<const AppliedAdapter> adapters, size_t first) {
    for (size_t i = 0; i < adapters.size(); ++i) {
        for (const LoraMatrix & l : adapters[i].adapter->matrices) {
            const std::string name = l.weight + ".lora" + std::to_string(first + i);
            const int64_t a[] = {l.k, l.r}, bb[] = {l.r, l.m};
            b.attach(l.weight, {ql_weight(b.graph(), (name + "_a").c_str(), QL_F32, 2, a, l.a.data()),
                                ql_weight(b.graph(), (name + "_b").c_str(), QL_F32, 2, bb, l.b.data()),
                                l.scale * adapters[i].factor});
        }
    }
}

}  // namespace ql
