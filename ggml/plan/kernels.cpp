// Chooses kernels, once every node has its device.
#include <string>

#include "ggml/plan/pass.hpp"

namespace ql {

Status takes(const Device & device, const Node & n) {
    const Kernel & kernel = *device.backend->kernels[op_index(n.def)];
    if (!kernel.launch)
        return error(QL_UNSUPPORTED, "%s: backend %s has no kernel: %s", std::string(n.def->name).c_str(),
                     device.backend->name, kernel.missing ? kernel.missing : "no reason given");
    return kernel.accepts ? kernel.accepts(n, *device.impl) : Status();
}

Status choose_kernels(PlanList & list, const PassInput &) {
    for (PlanNode * n : list.nodes) {
        if (is_copy(*n)) continue;
        QL_TRY(takes(*n->device, *n));
        n->kernel = n->device->backend->kernels[op_index(n->def)];
    }
    return {};
}

}  // namespace ql
