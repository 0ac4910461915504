#include "models/infer/merged_head.hpp"

#include <algorithm>

#include "models/adapter/kinds/kind.hpp"
#include "models/adapter/merge.hpp"
#include "models/model/weight_values.hpp"
#include "ql/ql.hpp"

namespace ql {
namespace {

/// w += factor B A, row by row.
void add_product(float * w, const LoraMatrix & l, float factor) {
    for (int64_t row = 0; row < l.m; ++row)
        for (int64_t j = 0; j < l.r; ++j) {
            const float b = factor * l.b[static_cast<size_t>(row * l.r + j)];
            const float * const a = l.down().data() + j * l.k;
            for (int64_t i = 0; i < l.k; ++i) w[row * l.k + i] += b * a[i];
        }
}

/// w += factor (what the adapter makes of the weight - the weight), row by row.
Status add_change(float * w, const Weight & head, const LoraMatrix & l, float factor) {
    std::vector<float> before(static_cast<size_t>(l.k)), row(before.size());
    for (int64_t i = 0; i < l.m; ++i) {
        QL_TRY(read_values(head, i * l.k, l.k, before.data()));
        row = before;
        merge_rows(l, i, 1, row.data());
        for (size_t j = 0; j < row.size(); ++j) w[static_cast<size_t>(i * l.k) + j] += factor * (row[j] - before[j]);
    }
    return {};
}

}  // namespace

bool changes_head(const Model & model, std::span<const AppliedAdapter> adapters) {
    for (const AppliedAdapter & applied : adapters)
        for (const LoraMatrix & l : applied.adapter->matrices)
            if (l.weight == model.head().name) return true;
    return false;
}

Result<AlignedBytes> merged_head(const Model & model, std::span<const AppliedAdapter> adapters,
                                 const AppliedParts & parts) {
    const Weight & head = model.head();
    const int64_t n = head.elements();
    AlignedBytes memory = aligned_bytes(static_cast<size_t>(n) * sizeof(float));
    if (!memory) return error(QL_NO_MEMORY, "no memory for '%s' with its adapter, in f32", head.name.c_str());
    auto * const w = reinterpret_cast<float *>(memory.get());
    QL_TRY(read_values(head, 0, n, w));
    if (const auto own = parts.rows.find(head.name); own != parts.rows.end())
        for (size_t i = 0; i < own->second.ids.size(); ++i)
            std::copy_n(own->second.values.data() + static_cast<int64_t>(i) * head.ne[0], head.ne[0],
                        w + own->second.ids[i] * head.ne[0]);
    for (const AppliedAdapter & applied : adapters)
        for (const LoraMatrix & l : applied.adapter->matrices)
            if (l.weight != head.name) {
                continue;
            } else if (def_of(l.kind).finish_row) {
                QL_TRY(add_change(w, head, l, applied.factor));
            } else {
                add_product(w, l, l.scale * applied.factor);
            }
    return memory;
}

}  // namespace ql
