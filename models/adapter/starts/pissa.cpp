// PiSSA: A and B start as the principal part of the weight, and the base is the weight without it. The base stays as it
// is in its file, so the branch holds that part a second time, negative and frozen.           (Meng, Wang, Zhang 2024)
#include <algorithm>

#include "models/adapter/frozen.hpp"
#include "models/adapter/starts/principal.hpp"
#include "models/adapter/starts/start.hpp"

namespace ql {
namespace {

/// The file has the sum of the ranks, which no side of a weight may be below.
Status check_ranks(const Adapter & adapter) {
    for (const LoraMatrix & m : adapter.matrices)
        if (2 * m.r > std::max(m.k, m.m))
            return error(
                QL_INVALID_ARGUMENT,
                "pissa: the adapter of r %lld for '%s' is one of rank %lld, more than both sides of that weight "
                "[%lld, %lld]; r 1 to %lld are possible",
                static_cast<long long>(m.r), m.weight.c_str(), static_cast<long long>(2 * m.r),
                static_cast<long long>(m.k), static_cast<long long>(m.m),
                static_cast<long long>(std::max(m.k, m.m) / 2));
    return {};
}

}  // namespace

Status start_pissa(Adapter & adapter, const Model & model, const StartOptions & options) {
    QL_TRY(check_ranks(adapter));
    for (LoraMatrix & m : adapter.matrices) {
        QL_ASSIGN(const std::vector<float> values, weight_values(*model.find(m.weight)));
        set_principal(m, values, options.threads);
        freeze_negative(m);
    }
    return {};
}

}  // namespace ql
