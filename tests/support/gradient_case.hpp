// An operator's case under a loss, for every operator that has a gradient: what gradients are checked on.
#pragma once
#include <cctype>
#include <string>
#include <vector>

#include "ggml/ops/params.hpp"
#include "support/reference_run.hpp"

namespace ql::test {

struct OpCase {
    const OpDef * def;
    Case c;

    friend void PrintTo(const OpCase & o, std::ostream * out) { *out << o.def->name << ", " << o.c.name; }
};

inline std::vector<OpCase> differentiable_cases() {
    std::vector<OpCase> list;
    for (const OpDef * def : kOps)
        if (def->backward)
            for (const Case & c : def->cases()) list.push_back({def, c});
    return list;
}

inline std::string op_case_name(const OpCase & o) {
    std::string name = std::string(o.def->name) + "_" + o.c.name;
    for (char & ch : name)
        if (!std::isalnum(static_cast<unsigned char>(ch))) ch = '_';
    return name;
}

/// loss = sum of random weights times the case's first result.
class LossOfCase {
  public:
    CaseGraph of;
    std::vector<Tensor *> params;  // those that a gradient can reach which is a derivative
    Tensor * loss = nullptr;       // null where there is no such parameter

    LossOfCase(const OpCase & o, uint64_t seed)
        : of(*o.def, o.c, seed), factors_(case_floats({Shape(of.out->shape.elements())}, 99)) {
        for (size_t i = 0; i < of.leaves.size(); ++i)
            if (of.leaves[i]->kind == TensorKind::param && i < 32 &&
                ((o.def->differentiable & ~o.def->straight_through) >> i & 1))
                params.push_back(of.leaves[i]);
        if (params.empty()) return;
        const auto n = static_cast<int64_t>(factors_.size());
        Tensor * factors = of.graph.leaf(TensorKind::weight, "factors", QL_F32, 1, &n, factors_.data());
        Tensor * flat = of.graph.emit(op::reshape, {of.out}, ReshapeParams{Shape(n)});
        loss = of.graph.emit(op::mul_mat, {factors, flat});
        if (!loss) throw std::runtime_error(of.graph.status().message());
    }

  private:
    std::vector<float> factors_;
};

}  // namespace ql::test
