#include "ggml/ir/op_def.hpp"

#include "ggml/dtypes/dtype.hpp"

namespace ql {

double no_flops(const Node &) {
    return 0;
}

double flops_of(const Node & n) {
    if (n.def->flops) return n.def->flops(n);
    double elements = 0;
    for (const Operand * t : n.out) elements += static_cast<double>(t->shape.elements());
    return elements;
}

template <>
std::vector<float> RefArgs<float>::decoded(int i) const {
    const Operand & t = in(i);
    const int64_t n = t.shape.elements();
    std::vector<float> v(static_cast<size_t>(n));
    if (const DTypeDef * type = find_dtype(t.dtype)) type->decode(src[i], n, 0, n, v.data());
    return v;
}

template <>
std::vector<double> RefArgs<double>::decoded(int i) const {
    const Operand & t = in(i);
    const int64_t n = t.shape.elements();
    if (t.dtype == QL_F32) return {x(i), x(i) + n};
    std::vector<double> v(static_cast<size_t>(n));
    if (const DTypeDef * type = find_dtype(t.dtype)) type->decode_f64(src[i], n, 0, n, v.data());
    return v;
}

}  // namespace ql
