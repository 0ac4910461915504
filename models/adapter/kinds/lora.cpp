// y += s B (A x), A and B trained.                                                              (Hu et al. 2021)
#include <cmath>

#include "models/adapter/kinds/kind.hpp"
#include "models/base/named_random.hpp"

namespace ql {
namespace {

constexpr uint32_t kInitStream = 0x4c4f5241;  // keeps these numbers apart from other uses of the seed

std::vector<Part> parts_lora(const LoraMatrix & m) {
    return {{"lora_a", &LoraMatrix::a, {m.k, m.r}}, {"lora_b", &LoraMatrix::b, {m.r, m.m}, true}};
}

BranchPtr branch_lora(const LoraMatrix & m, std::span<ql_tensor * const> leaves) {
    return lora_branch(leaves[0], leaves[1], m.scale);
}

/// A uniform in +-1/sqrt(k): kaiming with a = sqrt 5.
Status start_lora(LoraMatrix & m, const Weight &, uint64_t seed, int) {
    NamedRandom unit(seed, kInitStream, m.weight);
    const double bound = 1 / std::sqrt(static_cast<double>(m.k));
    m.a.resize(static_cast<size_t>(m.k * m.r));
    for (size_t e = 0; e < m.a.size(); ++e) m.a[e] = static_cast<float>((2 * unit(e) - 1) * bound);
    return {};
}

}  // namespace

const KindDef kind::lora = {
    .kind = LoraKind::lora, .name = "lora", .parts = parts_lora, .branch = branch_lora, .start = start_lora};

}  // namespace ql
