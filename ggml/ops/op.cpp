// The checks that shape rules share, with their messages.
#include "ggml/ops/op.hpp"

#include <algorithm>
#include <string>

#include "ggml/dtypes/dtype.hpp"
#include "ggml/ops/checks.hpp"

namespace ql {

namespace {

const Operand & source(const Node & n, int i) {
    return *n.src[static_cast<size_t>(i)];
}
std::string op_name(const Node & n) {
    return std::string(n.def->name);
}

Status wrong(Code code, const Node & n, int i, const std::string & rule) {
    return error(code, "%s: input %d must be %s, got %s", op_name(n).c_str(), i, rule.c_str(),
                 describe(source(n, i)).c_str());
}

Status of_state(const Node & n, int i) {
    return source(n, i).root()->kind == TensorKind::state
               ? Status()
               : wrong(QL_INVALID_ARGUMENT, n, i, "a state (it is changed in place)");
}

}  // namespace

Status shape_error(const Node & n, const char * rule) {
    std::string text = op_name(n) + ": " + rule + ":";
    for (size_t i = 0; i < n.src.size(); ++i) text += (i ? ", " : " ") + (n.src[i] ? describe(*n.src[i]) : "none");
    return Status(QL_BAD_SHAPE, std::move(text));
}

Status expect_f32(const Node & n, int i) {
    return source(n, i).dtype == QL_F32 ? Status() : wrong(QL_BAD_DTYPE, n, i, "f32");
}

Status expect_i32(const Node & n, int i) {
    return source(n, i).dtype == QL_I32 ? Status() : wrong(QL_BAD_DTYPE, n, i, "i32");
}

Status expect_same_shape(const Node & n, int i, int j) {
    if (source(n, i).shape == source(n, j).shape) return {};
    return shape_error(n, ("inputs " + std::to_string(i) + " and " + std::to_string(j) + " differ in shape").c_str());
}

Status expect_shape(const Node & n, int i, const Shape & shape) {
    return source(n, i).shape == shape ? Status() : wrong(QL_BAD_SHAPE, n, i, "of shape " + shape.str());
}

Status expect_weight(const Node & n, int i) {
    const Operand & t = source(n, i);
    if (!ql_dtype_is_weight(t.dtype)) return wrong(QL_BAD_DTYPE, n, i, "of a floating-point or quantised type");
    return is_matrix(t.shape) ? Status() : wrong(QL_BAD_SHAPE, n, i, "a matrix");
}

Status expect_matrix(const Node & n, int i) {
    QL_TRY(expect_f32(n, i));
    return is_matrix(source(n, i).shape) ? Status() : wrong(QL_BAD_SHAPE, n, i, "of two dimensions at most");
}

Status expect_numbers(const Node & n, int i) {
    const ql_dtype dtype = source(n, i).dtype;
    return dtype == QL_F32 || dtype == QL_F16 || dtype == QL_BF16 ? Status()
                                                                  : wrong(QL_BAD_DTYPE, n, i, "f32, f16 or bf16");
}

Status expect_rows(const Node & n, int i) {
    QL_TRY(expect_numbers(n, i));
    return is_matrix(source(n, i).shape) ? Status() : wrong(QL_BAD_SHAPE, n, i, "of two dimensions at most");
}

Status expect_state(const Node & n, int i) {
    QL_TRY(expect_f32(n, i));
    return of_state(n, i);
}

Status expect_f32_or_f16(const Node & n, int i) {
    const ql_dtype dtype = source(n, i).dtype;
    return dtype == QL_F32 || dtype == QL_F16 ? Status() : wrong(QL_BAD_DTYPE, n, i, "f32 or f16");
}

Status expect_cache(const Node & n, int i) {
    QL_TRY(expect_f32_or_f16(n, i));
    QL_TRY(of_state(n, i));
    return is_matrix(source(n, i).shape) ? Status() : wrong(QL_BAD_SHAPE, n, i, "of two dimensions at most");
}

Status expect_codes(const Node & n, int i) {
    if (source(n, i).dtype != QL_I8) return wrong(QL_BAD_DTYPE, n, i, "i8");
    return of_state(n, i);
}

Status expect_packed_state(const Node & n, int i) {
    QL_TRY(expect_weight(n, i));
    if (!ql_dtype_can_encode(source(n, i).dtype)) return wrong(QL_BAD_DTYPE, n, i, "of a type that can be written");
    return of_state(n, i);
}

Status expect_branch(const Node & n, int i, const Shape & weight) {
    QL_TRY(expect_matrix(n, i));
    QL_TRY(expect_matrix(n, i + 1));
    const Shape &a = source(n, i).shape, &b = source(n, i + 1).shape;
    if (a[0] != weight[0] || b[1] != weight[1]) return shape_error(n, "sizes of A, B and the weight do not fit");
    return a[1] == b[0] ? Status() : shape_error(n, "A and B differ in rank");
}

Status expect_param(const Node & n, int i) {
    QL_TRY(expect_f32(n, i));
    return source(n, i).root()->kind == TensorKind::param
               ? Status()
               : wrong(QL_INVALID_ARGUMENT, n, i, "a parameter (it is changed in place)");
}

Result<Shape> shape_from(const OpDef & def, int n_dims, const int64_t * ne) {
    if (n_dims < 1 || n_dims > QL_MAX_DIMS || !ne)
        return error(QL_BAD_SHAPE, "%s: %d dimensions, 1 to 4 are possible", std::string(def.name).c_str(), n_dims);
    Shape shape;
    std::copy_n(ne, n_dims, shape.ne.begin());
    return shape;
}

}  // namespace ql
