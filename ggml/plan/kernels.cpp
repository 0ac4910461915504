#include <string>

#include "ggml/plan/pass.hpp"

namespace ql {

Status choose_kernels(PlanList & list, const PassInput & input) {
    const Backend & backend = *input.device.backend;
    for (PlanNode * n : list.nodes) {
        n->kernel = backend.kernels[op_index(n->def)];
        if (!n->kernel->launch)
            return error(QL_UNSUPPORTED, "%s: backend %s has no kernel: %s", std::string(n->def->name).c_str(),
                         backend.name, n->kernel->missing ? n->kernel->missing : "no reason given");
        if (n->kernel->accepts) QL_TRY(n->kernel->accepts(*n, *input.device.impl));
    }
    return {};
}

}  // namespace ql
