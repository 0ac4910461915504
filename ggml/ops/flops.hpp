// The count of operators that look at each number of their first source: n_each operations a number.
#pragma once
#include "ggml/ops/op.hpp"

namespace ql {

template <int n_each>
double flops_each(const Node & n) {
    return n_each * static_cast<double>(n.src[0]->shape.elements());
}

}  // namespace ql
