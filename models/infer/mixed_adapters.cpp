#include "models/infer/mixed_adapters.hpp"

namespace ql {
namespace {

/// B [r, m] times its scale -> [m, r].
std::vector<float> scaled_transpose(const LoraMatrix & l) {
    std::vector<float> bt(l.b.size());
    for (int64_t i = 0; i < l.m; ++i)
        for (int64_t j = 0; j < l.r; ++j)
            bt[static_cast<size_t>(j * l.m + i)] = l.scale * l.b[static_cast<size_t>(i * l.r + j)];
    return bt;
}

}  // namespace

MixedAdapters::Matrix MixedAdapters::matrix(int64_t n, int64_t m, std::vector<float> values, bool bf16) {
    Matrix made{{n, m}, {}, {}};
    if (bf16) {
        made.bf16.resize(values.size());
        (void)ql_encode(QL_BF16, values.data(), static_cast<int64_t>(values.size()), made.bf16.data());
    } else {
        made.f32 = std::move(values);
    }
    return made;
}

ql_tensor * MixedAdapters::Matrix::leaf(ql_graph * g, const std::string & name) const {
    const bool half = f32.empty();
    return ql_weight(g, name.c_str(), half ? QL_BF16 : QL_F32, 2, ne,
                     half ? static_cast<const void *>(bf16.data()) : f32.data());
}

MixedAdapters::MixedAdapters(std::span<const Adapter * const> adapters, bool bf16)
    : n_(static_cast<int64_t>(adapters.size())) {
    for (size_t i = 0; i < adapters.size(); ++i)
        for (const LoraMatrix & l : adapters[i]->matrices)
            branches_.push_back({l.weight, static_cast<int>(i), matrix(l.k, l.r, l.down(), bf16),
                                 matrix(l.m, l.r, scaled_transpose(l), bf16)});
}

uint64_t MixedAdapters::bytes() const {
    uint64_t bytes = 0;
    for (const Branch & branch : branches_)
        for (const Matrix * m : {&branch.a, &branch.bt})
            bytes += m->f32.size() * sizeof(float) + m->bf16.size() * sizeof(uint16_t);
    return bytes;
}

void MixedAdapters::attach(GraphBuilder & b) const {
    for (const Branch & branch : branches_) {
        const std::string name = branch.weight + ".lora" + std::to_string(branch.adapter);
        b.attach_mixed(
            branch.weight, n_,
            {branch.adapter, branch.a.leaf(b.graph(), name + "_a"), branch.bt.leaf(b.graph(), name + "_bt")});
    }
}

}  // namespace ql
