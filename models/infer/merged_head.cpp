#include "models/infer/merged_head.hpp"
#include "ql/ql.hpp"

namespace ql {
namespace {

/// w += factor B A, row by row.
void add_branch(float * w, const LoraMatrix & l, float factor) {
    for (int64_t row = 0; row < l.m; ++row)
        for (int64_t j = 0; j < l.r; ++j) {
            const float b = factor * l.b[static_cast<size_t>(row * l.r + j)];
            const float * const a = l.a.data() + j * l.k;
            for (int64_t i = 0; i < l.k; ++i) w[row * l.k + i] += b * a[i];
        }
}

}  // namespace

bool changes_head(const Model & model, std::span<const AppliedAdapter> adapters) {
    for (const AppliedAdapter & applied : adapters)
        for (const LoraMatrix & l : applied.adapter->matrices)
            if (l.weight == model.head().name) return true;
    return false;
}

Result<AlignedBytes> merged_head(const Model & model, std::span<const AppliedAdapter> adapters) {
    const Weight & head = model.head();
    const int64_t n = head.elements();
    AlignedBytes memory = aligned_bytes(static_cast<size_t>(n) * sizeof(float));
    if (!memory) return error(QL_NO_MEMORY, "no memory for '%s' with its adapter, in f32", head.name.c_str());
    auto * const w = reinterpret_cast<float *>(memory.get());
    QL_TRY(ql_decode(head.dtype, head.data, n, 0, n, w));
    for (const AppliedAdapter & applied : adapters)
        for (const LoraMatrix & l : applied.adapter->matrices)
            if (l.weight == head.name) add_branch(w, l, l.scale * applied.factor);
    return memory;
}

}  // namespace ql
