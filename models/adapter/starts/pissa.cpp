// PiSSA: A and B start as the principal part of the weight, and the base is the weight without it. The base stays as it
// is in its file, so the branch holds that part a second time, negative and frozen.           (Meng, Wang, Zhang 2024)
#include "models/adapter/frozen.hpp"
#include "models/adapter/starts/principal.hpp"
#include "models/adapter/starts/start.hpp"

namespace ql {

Status start_pissa(Adapter & adapter, const Model & model, const StartOptions & options) {
    for (LoraMatrix & m : adapter.matrices) {
        QL_ASSIGN(const std::vector<float> values, weight_values(*model.find(m.weight)));
        set_principal(m, values, options.threads);
        freeze_negative(m);
    }
    return {};
}

}  // namespace ql
