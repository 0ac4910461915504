// Writing conformance cases in a line each, and filling their inputs with the same values on every machine.
#pragma once
#include <vector>

#include "ggml/ops/op.hpp"

namespace ql {

inline CaseInput param_in(Shape s, Fill fill = Fill::normal) {
    return {s, fill};
}
inline CaseInput frozen_in(Shape s, ql_dtype dtype = QL_F32, Fill fill = Fill::normal) {
    return {s, fill, dtype, 0, TensorKind::weight};
}
inline CaseInput data_in(Shape s, Fill fill = Fill::normal) {
    return {s, fill, QL_F32, 0, TensorKind::input};
}
inline CaseInput ints_in(Shape s, Fill fill, int64_t limit = 0) {
    return {s, fill, QL_I32, limit, TensorKind::input};
}
inline CaseInput state_in(Shape s, Fill fill = Fill::normal) {
    return {s, fill, QL_F32, 0, TensorKind::state};
}

/// Keys or values of a cache.
inline CaseInput cache_in(Shape s, ql_dtype dtype) {
    return {s, Fill::normal, dtype, 0, TensorKind::state};
}

// What a benchmark's size leaves open: the length of a head, and the rank of an adapter.
inline constexpr int64_t kBenchHead = 64, kBenchRank = 16;
inline Result<int64_t> bench_heads(const BenchSize & s) {
    if (s.k % kBenchHead)
        return error(QL_BAD_SHAPE, "the row length must be a multiple of %lld, the length of a head",
                     static_cast<long long>(kBenchHead));
    return s.k / kBenchHead;
}
/// Three heads of queries share one of keys where that is possible.
inline int64_t bench_kv_heads(int64_t heads) {
    return heads % 3 == 0 ? heads / 3 : heads;
}

/// Sizes of a product with a weight [k, m] and t tokens: odd ones, tails of panels.
struct ProductCase {
    const char * name;
    ql_dtype dtype;
    int64_t k, m, t;
    /// The weight: a parameter where that is possible.
    CaseInput weight() const { return dtype == QL_F32 ? param_in({k, m}) : frozen_in({k, m}, dtype); }
};
/// Each type that can be written.
std::vector<ProductCase> product_cases();
/// Each type; of one that is only read the bytes are made by ggml/selftest/case_input.hpp.
std::vector<ProductCase> weight_cases();
/// Each type, as an output projection of k numbers a token on m words.
std::vector<ProductCase> head_cases();

/// The values of an f32 (or, before encoding, of any floating-point) input.
std::vector<float> case_floats(const CaseInput & in, uint64_t seed);
std::vector<int32_t> case_ints(const CaseInput & in, uint64_t seed);
/// The input's bytes in its own type, ql_dtype_bytes(in.dtype, elements) of them, to dst.
Status case_fill(const CaseInput & in, uint64_t seed, void * dst);

}  // namespace ql
