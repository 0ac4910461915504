// y += D h with h_j = sum_b x[b r + j]: x is cut into tiles of r, which are added up, and D alone is trained. It is the
// LoRA whose A is fixed, A[j, i] = (i mod r == j), and so converts to it exactly.             (MiSS, Kang & Yin 2024)
#include <memory>

#include "models/adapter/kinds/kind.hpp"
#include "models/graph/builder.hpp"

namespace ql {
namespace {

class MissBranch : public Branch {
  public:
    explicit MissBranch(ql_tensor * d) : d_(d) {}
    ql_tensor * add_to(GraphBuilder & b, const LinearSite & site) const override {
        ql_tensor * h = b.tile_sums(b.dropped(site.x), ql_tensor_ne(d_, 0));
        return ql_add(b.graph(), site.y, ql_mul_mat(b.graph(), d_, h));
    }

  private:
    ql_tensor * d_;
};

std::vector<Part> parts_miss(const LoraMatrix & m) {
    return {{"lora_b", &LoraMatrix::b, {m.r, m.m}}};
}

BranchPtr branch_miss(const LoraMatrix &, std::span<ql_tensor * const> leaves) {
    return std::make_unique<MissBranch>(leaves[0]);
}

std::shared_ptr<const std::vector<float>> fixed_a_miss(const LoraMatrix & m, std::span<const LoraMatrix> others) {
    for (const LoraMatrix & other : others)
        if (other.fixed_a && other.k == m.k && other.r == m.r) return other.fixed_a;
    std::vector<float> a(static_cast<size_t>(m.k * m.r));
    for (int64_t i = 0; i < m.k; ++i) a[static_cast<size_t>(i % m.r * m.k + i)] = 1;
    return std::make_shared<const std::vector<float>>(std::move(a));
}

void fill_miss(LoraMatrix & m, std::span<const LoraMatrix> others) {
    m.scale = 1;
    m.fixed_a = fixed_a_miss(m, others);
}

Status start_miss(LoraMatrix & m, const Weight &, uint64_t, int) {
    if (m.r > m.k)
        return error(QL_INVALID_ARGUMENT, "MiSS r is %lld, but the rows of '%s' have %lld numbers",
                     static_cast<long long>(m.r), m.weight.c_str(), static_cast<long long>(m.k));
    return {};
}

/// A file has one alpha: the scale of a matrix of another rank than the first goes into D.
Status adopt_miss(LoraMatrix & m, std::span<const LoraMatrix> others) {
    const auto fixed = fixed_a_miss(m, others);
    if (m.a != *fixed)
        return error(QL_BAD_FILE, "'%s' is said to be MiSS, but its A is not the fixed one", m.weight.c_str());
    if (m.scale != 1)
        for (float & d : m.b) d *= m.scale;
    m.scale = 1;
    m.fixed_a = fixed;
    m.a = {};
    return {};
}

}  // namespace

const KindDef kind::miss = {
    .kind = LoraKind::miss,
    .name = "miss",
    .takes_alpha = false,
    .parts = parts_miss,
    .branch = branch_miss,
    .start = start_miss,
    .fill = fill_miss,
    .adopt = adopt_miss,
};

}  // namespace ql
