#include "models/adapter/frozen.hpp"

#include <algorithm>

namespace ql {
namespace {

/// Ranks [first, first + r) of a branch, values and all.
LoraMatrix slice(const LoraMatrix & from, int64_t first, int64_t r) {
    LoraMatrix part = from;
    part.r = r;
    part.frozen = 0;
    part.a.assign(from.a.begin() + first * from.k, from.a.begin() + (first + r) * from.k);
    part.b.resize(static_cast<size_t>(r * from.m));
    for (int64_t row = 0; row < from.m; ++row)
        std::copy_n(from.b.begin() + row * from.r + first, r, part.b.begin() + row * r);
    return part;
}

}  // namespace

bool has_frozen(const Adapter & adapter) {
    return std::any_of(adapter.matrices.begin(), adapter.matrices.end(),
                       [](const LoraMatrix & m) { return m.frozen > 0; });
}

SplitAdapter split_frozen(const Adapter & adapter) {
    SplitAdapter split{adapter, {}};
    for (LoraMatrix & m : split.trained.matrices) {
        if (m.frozen == 0) continue;
        split.frozen.push_back(slice(m, m.r - m.frozen, m.frozen));
        m = slice(m, 0, m.r - m.frozen);
    }
    return split;
}

void join_trained(const Adapter & trained, Adapter & adapter) {
    for (size_t i = 0; i < adapter.matrices.size(); ++i) {
        const LoraMatrix & from = trained.matrices[i];
        LoraMatrix & to = adapter.matrices[i];
        std::copy(from.a.begin(), from.a.end(), to.a.begin());
        for (int64_t row = 0; row < to.m; ++row)
            std::copy_n(from.b.begin() + row * from.r, from.r, to.b.begin() + row * to.r);
    }
    adapter.norms = trained.norms;
    adapter.rows = trained.rows;
}

LoraMatrix join_frozen(const LoraMatrix & trained, const LoraMatrix & frozen) {
    LoraMatrix whole = trained;
    whole.r = trained.r + frozen.r, whole.frozen = frozen.r;
    whole.a.insert(whole.a.end(), frozen.a.begin(), frozen.a.end());
    whole.b.resize(static_cast<size_t>(whole.r * whole.m));
    for (int64_t row = 0; row < whole.m; ++row) {
        const auto to = whole.b.begin() + row * whole.r;
        std::copy_n(trained.b.begin() + row * trained.r, trained.r, to);
        std::copy_n(frozen.b.begin() + row * frozen.r, frozen.r, to + trained.r);
    }
    return whole;
}

void freeze_negative(LoraMatrix & matrix) {
    const LoraMatrix trained = matrix;
    matrix.frozen = trained.r;
    matrix.r = 2 * trained.r;
    matrix.a.insert(matrix.a.end(), trained.a.begin(), trained.a.end());
    matrix.b.resize(static_cast<size_t>(matrix.r * matrix.m));
    for (int64_t row = 0; row < matrix.m; ++row) {
        const auto from = trained.b.begin() + row * trained.r;
        const auto to = matrix.b.begin() + row * matrix.r;
        std::copy_n(from, trained.r, to);
        std::transform(from, from + trained.r, to + trained.r, [](float v) { return -v; });
    }
}

}  // namespace ql
