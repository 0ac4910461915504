// Operators that move values and compute nothing: each is one box of elements, or two, copied from a source to a place
// in the result. They take every type whose elements stand alone, of whatever size.
#pragma once
#include <array>
#include <cstring>

#include "ggml/ops/checks.hpp"

namespace ql {

/// How many elements apart neighbours along each dimension lie.
using Strides = std::array<int64_t, 4>;

/// result[to + sum_d i_d to_strides[d]] = source[from + sum_d i_d from_strides[d]] for all i in `shape`. The innermost
/// elements are neighbours in the result.
struct Move {
    int source = 0;
    Shape shape;
    int64_t from = 0, to = 0;
    Strides from_strides{}, to_strides{};
};

/// The strides of the dense tensor of a shape.
inline Strides dense_strides(const Shape & s) {
    return {1, s[0], s[0] * s[1], s[0] * s[1] * s[2]};
}

// The operators' moves; `pad` leaves the rest of its result zero.
Move slice_move(const Node & n);
Move pad_move(const Node & n);
Move permute_move(const Node & n);
Move expand_move(const Node & n);
Move concat_move(const Node & n, int source);

/// Source i has elements that stand alone: any but block types.
Status expect_single_elements(const Node & n, int i);
Status expect_dimension(const Node & n, int64_t dim);

/// The bytes of an element of source 0, where f32 tensors hold Real.
template <typename Real>
size_t element_bytes(const RefArgs<Real> & a) {
    return a.in(0).dtype == QL_F32 ? sizeof(Real) : ql_dtype_bytes(a.in(0).dtype, 1);
}

template <typename Real>
void reference_move(const RefArgs<Real> & a, const Move & m) {
    const size_t bytes = element_bytes(a);
    const auto at = [](const Strides & s, const Strides & i) {
        return i[0] * s[0] + i[1] * s[1] + i[2] * s[2] + i[3] * s[3];
    };
    Strides i;
    for (i[3] = 0; i[3] < m.shape[3]; ++i[3])
        for (i[2] = 0; i[2] < m.shape[2]; ++i[2])
            for (i[1] = 0; i[1] < m.shape[1]; ++i[1])
                for (i[0] = 0; i[0] < m.shape[0]; ++i[0])
                    std::memcpy(static_cast<char *>(a.out[0]) + static_cast<size_t>(m.to + at(m.to_strides, i)) * bytes,
                                static_cast<const char *>(a.src[m.source]) +
                                    static_cast<size_t>(m.from + at(m.from_strides, i)) * bytes,
                                bytes);
}

}  // namespace ql
