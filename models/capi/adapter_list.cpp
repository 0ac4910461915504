#include "models/capi/adapter_list.hpp"

#include "models/capi/checks.hpp"
#include "ql/ops.h"

namespace ql {

Result<std::vector<AppliedAdapter>> adapter_list(const ql_model & model, const ql_adapter * const * adapters,
                                                 const float * scales, int n) {
    if (n < 0 || n > QL_LORA_MIX_MOST || (n > 0 && !adapters))
        return error(QL_INVALID_ARGUMENT, "adapters: %d of them, 0 to %d are possible", n, QL_LORA_MIX_MOST);
    std::vector<AppliedAdapter> list;
    for (int i = 0; i < n; ++i) {
        if (!adapters[i]) return error(QL_INVALID_ARGUMENT, "adapter %d is NULL", i);
        const float factor = scales ? scales[i] : 1.0f;
        QL_TRY(check_factor(static_cast<size_t>(i), factor));
        QL_TRY(check_made_for(*adapters[i], model));
        list.push_back({&adapters[i]->adapter, factor});
    }
    return list;
}

}  // namespace ql
