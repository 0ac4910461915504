// Lower ranks: the best approximation of each change, from its factors.
#include <algorithm>
#include <cmath>

#include "models/adapter/compose/compose_origin.hpp"
#include "models/adapter/compose/from_svd.hpp"
#include "models/adapter/compose/reduce.hpp"
#include "models/base/parallel.hpp"

namespace ql {
namespace {

Status check_options(const Adapter & adapter, const ResizeOptions & o) {
    QL_TRY(check_rank("resize", o.rank, highest_rank(adapter)));
    if (!(o.energy > 0 && o.energy <= 1))
        return error(QL_INVALID_ARGUMENT, "resize: the energy to keep is %g, it must be above 0 and at most 1",
                     o.energy);
    if (o.rank == 0 && o.energy == 1)
        return error(QL_INVALID_ARGUMENT, "resize: to what rank? Give one, or the energy to keep");
    return {};
}

std::string how(const ResizeOptions & o) {
    return "resize" + (o.rank ? ", rank " + std::to_string(o.rank) : "") +
           (o.energy < 1 ? ", energy " + number_text(o.energy) : "");
}

LoraMatrix resized(const LoraMatrix & from, const ResizeOptions & o, AdapterChange & change) {
    const int64_t most = std::min({o.rank ? o.rank : from.r, from.k, from.m});
    change.r = from.r;
    if (from.r <= most && o.energy == 1) {
        change.norm = delta_norm(from);
        return as_lora(from);  // as the others are from here on
    }
    const ProductTerm term{from.down().data(), from.b.data(), from.r, static_cast<double>(from.scale)};
    const ThinSvd svd = svd_of_products({&term, 1}, from.m, from.k, {most, o.energy});
    change.norm = std::sqrt(svd.squares);
    change.error = std::sqrt(std::max(svd.squares - svd.kept(), 0.0));
    change.r = std::max<int64_t>(static_cast<int64_t>(svd.s.size()), 1);  // files hold no rank of 0
    return from_svd(svd, from.weight, from.k, from.m);
}

}  // namespace

Result<Adapter> resize_adapter(const Adapter & adapter, const ResizeOptions & options, const OnChange & on_change) {
    QL_TRY(check_options(adapter, options));
    const std::string more = beyond_branches(adapter);
    if (more == "a DoRA")
        return error(QL_UNSUPPORTED, "resize: the change of a DoRA has no rank; make a plain LoRA of it (to-lora)");
    if (!more.empty())
        return error(QL_UNSUPPORTED, "resize: the adapter has %s, which have no rank; merge it (merge)", more.c_str());
    Adapter made = without_matrices(adapter);
    made.invocation = adapter.invocation;
    made.origin = derived_origin(adapter, how(options));
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
