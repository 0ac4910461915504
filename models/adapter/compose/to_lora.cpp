#include "models/adapter/compose/to_lora.hpp"

#include <algorithm>
#include <cmath>

#include "models/adapter/compose/compose_origin.hpp"
#include "models/adapter/compose/from_svd.hpp"
#include "models/adapter/formats.hpp"
#include "models/adapter/merge.hpp"
#include "models/base/parallel.hpp"
#include "models/model/weight_values.hpp"

namespace ql {
namespace {

// Of the squares of singular values. Rows that are scaled leave a long tail of values next to each other: which of their
// vectors are taken makes no difference to the error, and to part them would take most of the time.
constexpr double kStill = 1e-4;

/// What the matrix makes of W, minus W: m rows of k.
Result<std::vector<float>> change_of(const LoraMatrix & m, const Weight & w) {
    std::vector<float> d(static_cast<size_t>(m.k * m.m)), row(static_cast<size_t>(m.k));
    for (int64_t i = 0; i < m.m; ++i) {
        float * const to = d.data() + i * m.k;
        QL_TRY(read_values(w, i * m.k, m.k, row.data()));
        std::copy(row.begin(), row.end(), to);
        merge_rows(m, i, 1, to);
        for (int64_t j = 0; j < m.k; ++j) to[j] -= row[static_cast<size_t>(j)];
    }
    return d;
}

Status convert(const LoraMatrix & from, const Weight & w, const ToLoraOptions & o, AdapterChange & change,
               LoraMatrix & to) {
    if (from.kind != LoraKind::dora) {
        to = as_lora(from);
        change.r = from.r;
        change.norm = delta_norm(from);
        return {};
    }
    QL_ASSIGN(const std::vector<float> d, change_of(from, w));
    const int64_t rank = std::min({o.rank ? o.rank : from.r, from.k, from.m});
    const ThinSvd svd = svd_of_matrix({d.data(), from.m, from.k}, rank, o.threads, kStill);
    change.norm = std::sqrt(svd.squares);
    change.error = std::sqrt(std::max(svd.squares - svd.kept(), 0.0));
    change.r = std::max<int64_t>(static_cast<int64_t>(svd.s.size()), 1);  // files hold no rank of 0
    to = from_svd(svd, from.weight, from.k, from.m);
    return {};
}

}  // namespace

Result<Adapter> to_lora(const Adapter & adapter, const Model & base, const ToLoraOptions & options,
                        const OnChange & on_change) {
    QL_TRY(check_adapter(adapter, &base));
    QL_TRY(check_rank("to-lora", options.rank, highest_rank(adapter)));
    if (!adapter.norms.empty())
        return error(QL_UNSUPPORTED,
                     "to-lora: the adapter holds %zu trained norms, which no LoRA has a place for; merge it",
                     adapter.norms.size());
    if (!adapter.rows.empty())
        return error(QL_UNSUPPORTED,
                     "to-lora: the adapter holds rows of tokens, which no LoRA has a place for; merge it");
    if (!adapter.invocation.empty()) return error(QL_UNSUPPORTED, "to-lora: an activated LoRA is a plain LoRA already");
    int64_t bytes = 1;
    for (const LoraMatrix & m : adapter.matrices)
        bytes = std::max(bytes, 2 * m.k * m.m * static_cast<int64_t>(sizeof(float)));
    const Shares shares = share_threads(options.threads, bytes);
    const ToLoraOptions each{options.rank, shares.of_each};
    const auto n = static_cast<int64_t>(adapter.matrices.size());
    Adapter made = without_matrices(adapter);
    made.origin = derived_origin(adapter, "to-lora" + (options.rank ? ", rank " + std::to_string(options.rank) : ""));
    made.matrices.resize(adapter.matrices.size());
    std::vector<AdapterChange> changes(adapter.matrices.size());
    Ahead ahead(shares.at_once, n, 2 * shares.at_once, [&](int64_t unit) {
        const auto i = static_cast<size_t>(unit);
        const LoraMatrix & from = adapter.matrices[i];
        changes[i] = {from.weight, from.k, from.m, from.r, 0, 0, 0, ""};
        return convert(from, *base.find(from.weight), each, changes[i], made.matrices[i]);
    });
    for (int64_t i = 0; i < n; ++i) {
        QL_TRY(ahead.wait());
        if (on_change) QL_TRY(on_change(changes[static_cast<size_t>(i)], i, n));
        ahead.release();
    }
    return made;
}

}  // namespace ql
