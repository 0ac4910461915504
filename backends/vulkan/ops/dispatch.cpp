#include "backends/vulkan/ops/dispatch.hpp"

namespace ql::vulkan {
namespace {

constexpr int64_t kMostInARow = 65535, kGroupsOfARow = 32768;  // of one dimension, on every device

}  // namespace

Status expect_small(const Node & n) {
    for (const auto & operands : {n.src, n.out})
        for (const Operand * t : operands)
            if (t && (t->bytes() > INT32_MAX || t->shape.elements() > INT32_MAX))
                return error(QL_UNSUPPORTED, "no Vulkan kernel takes tensors of 2 GiB or 2^31 numbers or more: %s",
                             describe(*t).c_str());
    return {};
}

Groups groups_for(int64_t n, int64_t each) {
    const int64_t groups = (n + each - 1) / each;
    if (groups <= kMostInARow) return {static_cast<uint32_t>(groups), 1};
    return {static_cast<uint32_t>(kGroupsOfARow), static_cast<uint32_t>((groups + kGroupsOfARow - 1) / kGroupsOfARow)};
}

}  // namespace ql::vulkan
