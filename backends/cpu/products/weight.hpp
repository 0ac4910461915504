// A weight as the products see it: a matrix [k, m] of any type, row after row of k elements.
#pragma once
#include "ggml/graph/tensor.hpp"

namespace ql::cpu {

struct Weight {
    ql_dtype dtype = QL_F32;
    const void * data = nullptr;
    int64_t k = 0;  // elements of a row
    int64_t m = 0;  // rows

    int64_t elements() const { return k * m; }
};

/// Either nf4 type: planes of which the first is codes, blocks of 64.
[[gnu::always_inline]] constexpr bool is_nf4(ql_dtype dtype) {
    return dtype == QL_NF4 || dtype == QL_NF4_DQ;
}

inline Weight weight_of(const Operand & t, const void * data) {
    return {t.dtype, data, t.ne(0), t.ne(1)};
}
inline Weight f32_weight(const float * data, int64_t k, int64_t m) {
    return {QL_F32, data, k, m};
}

}  // namespace ql::cpu
