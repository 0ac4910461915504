#include "ggml/plan/fuse.hpp"

namespace ql {

void fuse_head_loss(Fused & list, const std::unordered_set<const Operand *> & outputs);
void fuse_product_sums(Fused & list, const std::unordered_set<const Operand *> & outputs);

namespace {
constexpr FuseRule kRules[] = {
    {"head_loss", fuse_head_loss},
    {"product_sums", fuse_product_sums},
};
}  // namespace

std::span<const FuseRule> fuse_rules() {
    return kRules;
}

Fused fuse(std::vector<const Node *> nodes, std::span<Tensor * const> outputs) {
    Fused list{std::move(nodes), {}, {}};
    const std::unordered_set<const Operand *> kept(outputs.begin(), outputs.end());
    for (const FuseRule & rule : kRules) rule.apply(list, kept);
    return list;
}

}  // namespace ql
