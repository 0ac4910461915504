// Fewer linears: what a pattern finds, and the changes that matter least.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "models/adapter/compose/compose_origin.hpp"
#include "models/adapter/compose/reduce.hpp"
#include "models/adapter/regex.hpp"

namespace ql {
namespace {

Status check_options(const PruneOptions & o) {
    if (o.drop.empty() && o.least_norm == 0 && o.energy == 1)
        return error(QL_INVALID_ARGUMENT, "prune: what is to go? Give a norm, the energy to keep, or a pattern");
    if (!(o.least_norm >= 0 && std::isfinite(o.least_norm)))
        return error(QL_INVALID_ARGUMENT, "prune: the least norm is %g, it must be at least 0", o.least_norm);
    if (!(o.energy > 0 && o.energy <= 1))
        return error(QL_INVALID_ARGUMENT, "prune: the energy to keep is %g, it must be above 0 and at most 1",
                     o.energy);
    return {};
}

/// Of a DoRA, s B A is not the change of a weight.
Status check_norms_tell(const Adapter & adapter) {
    const auto is_dora = [](const LoraMatrix & m) { return m.kind == LoraKind::dora; };
    if (std::none_of(adapter.matrices.begin(), adapter.matrices.end(), is_dora)) return {};
    return error(QL_UNSUPPORTED,
                 "prune: how much a DoRA changes a weight does not follow from its matrices; name linears by a pattern "
                 "(drop), or make a plain LoRA of it (to-lora)");
}

std::string how(const PruneOptions & o) {
    return "prune" + (o.drop.empty() ? "" : ", drop " + o.drop) +
           (o.least_norm > 0 ? ", norm " + number_text(o.least_norm) : "") +
           (o.energy < 1 ? ", energy " + number_text(o.energy) : "");
}

/// Of those that stay, the smallest go whose squares together are no more than may be lost.
void drop_smallest(const std::vector<double> & norms, double energy, std::vector<bool> & stays) {
    const double all = std::inner_product(norms.begin(), norms.end(), norms.begin(), 0.0);
    std::vector<size_t> order(norms.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return norms[a] < norms[b]; });
    double lost = 0;
    for (size_t i = 0; i < norms.size(); ++i)
        if (!stays[i]) lost += norms[i] * norms[i];
    for (const size_t i : order) {
        if (!stays[i]) continue;
        lost += norms[i] * norms[i];
        if (lost > (1 - energy) * all) return;
        stays[i] = false;
    }
}

Result<std::vector<bool>> choose(const Adapter & adapter, const std::vector<double> & norms, const PruneOptions & o) {
    std::optional<Regex> drop;
    if (!o.drop.empty()) {
        QL_ASSIGN(drop, Regex::compile(o.drop));
    }
    std::vector<bool> stays;
    bool any_found = false;
    for (size_t i = 0; i < norms.size(); ++i) {
        bool found = false;
        if (drop) {
            QL_ASSIGN(found, drop->found_in(adapter.matrices[i].weight));
        }
        any_found |= found;
        stays.push_back(!found && !(norms[i] < o.least_norm));
    }
    if (drop && !any_found)
        return error(QL_INVALID_ARGUMENT,
                     "prune: '%.120s' is found in the names of none of the %zu linears, such as %s", o.drop.c_str(),
                     norms.size(), norms.empty() ? "" : adapter.matrices[0].weight.c_str());
    if (o.energy < 1) drop_smallest(norms, o.energy, stays);
    return stays;
}

}  // namespace

Result<Adapter> prune_adapter(const Adapter & adapter, const PruneOptions & options, const OnChange & on_change) {
    QL_TRY(check_options(options));
    if (options.least_norm > 0 || options.energy < 1) QL_TRY(check_norms_tell(adapter));
    std::vector<double> norms;
    for (const LoraMatrix & m : adapter.matrices) norms.push_back(delta_norm(m));
    QL_ASSIGN(const std::vector<bool> stays, choose(adapter, norms, options));
    if (std::find(stays.begin(), stays.end(), true) == stays.end())
        return error(QL_INVALID_ARGUMENT, "prune: none of the %zu linears would be left", stays.size());
    Adapter made = without_matrices(adapter);
    made.norms = adapter.norms, made.rows = adapter.rows, made.invocation = adapter.invocation;
    made.origin = derived_origin(adapter, how(options));
    for (size_t i = 0; i < stays.size(); ++i) {
        const LoraMatrix & m = adapter.matrices[i];
        const AdapterChange change{m.weight, m.k, m.m, m.r, stays[i] ? m.r : 0, norms[i], stays[i] ? 0 : norms[i], ""};
        if (on_change) QL_TRY(on_change(change, static_cast<int64_t>(i), static_cast<int64_t>(stays.size())));
        if (stays[i]) made.matrices.push_back(m);
    }
    return made;
}

}  // namespace ql
