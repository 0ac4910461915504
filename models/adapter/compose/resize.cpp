// Lower ranks: the best approximation of each change, from its factors.
#include <algorithm>
#include <cmath>

#include "models/adapter/compose/from_svd.hpp"
#include "models/adapter/compose/reduce.hpp"
#include "models/base/parallel.hpp"

namespace ql {
namespace {

Status check_options(const Adapter & adapter, const ResizeOptions & o) {
    int64_t largest = 0;  // no matrix has more singular values than its smaller side
    for (const LoraMatrix & m : adapter.matrices) largest = std::max(largest, std::min(m.k, m.m));
    if (o.rank < 0 || o.rank > largest)
        return error(QL_INVALID_ARGUMENT, "resize: rank %lld; 1 to %lld are possible with these linears",
                     static_cast<long long>(o.rank), static_cast<long long>(largest));
    if (!(o.energy > 0 && o.energy <= 1))
        return error(QL_INVALID_ARGUMENT, "resize: the energy to keep is %g, it must be above 0 and at most 1",
                     o.energy);
    if (o.rank == 0 && o.energy == 1)
        return error(QL_INVALID_ARGUMENT, "resize: to what rank? Give one, or the energy to keep");
    return {};
}

LoraMatrix resized(const LoraMatrix & from, const ResizeOptions & o, AdapterChange & change) {
    const int64_t most = std::min({o.rank ? o.rank : from.r, from.k, from.m});
    change.r = from.r;
    if (from.r <= most && o.energy == 1) {
        change.norm = delta_norm(from);
        LoraMatrix same = from;
        same.kind = LoraKind::lora;  // as the others are from here on
        return same;
    }
    const ProductTerm term{from.down().data(), from.b.data(), from.r, static_cast<double>(from.scale)};
    const ThinSvd svd = svd_of_products({&term, 1}, from.m, from.k, {most, o.energy});
    change.norm = std::sqrt(svd.squares);
    change.error = std::sqrt(std::max(svd.squares - svd.kept(), 0.0));
    change.r = std::max<int64_t>(static_cast<int64_t>(svd.s.size()), 1);  // files hold no rank of 0
    return from_svd(svd, {from.weight, from.k, from.m, change.r, 1.0f, {}, {}});
}

}  // namespace

Result<Adapter> resize_adapter(const Adapter & adapter, const ResizeOptions & options, const OnChange & on_change) {
    QL_TRY(check_options(adapter, options));
    QL_TRY(check_is_sum(adapter, "resize"));
    Adapter made = without_matrices(adapter);
    const auto n = static_cast<int64_t>(adapter.matrices.size());
    made.matrices.resize(adapter.matrices.size());
    std::vector<AdapterChange> changes(adapter.matrices.size());
    Ahead ahead(options.threads, n, 4 * options.threads, [&](int64_t i) {
        const LoraMatrix & from = adapter.matrices[static_cast<size_t>(i)];
        AdapterChange & change = changes[static_cast<size_t>(i)];
        change = {from.weight, from.k, from.m, from.r, 0, 0, 0, ""};
        made.matrices[static_cast<size_t>(i)] = resized(from, options, change);
        return Status();
    });
    for (int64_t i = 0; i < n; ++i) {
        QL_TRY(ahead.wait());
        if (on_change) QL_TRY(on_change(changes[static_cast<size_t>(i)], i, n));
        ahead.release();
    }
    return made;
}

}  // namespace ql
