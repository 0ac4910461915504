// What a shape rule refuses: a builder's call on leaves, and the message that it leads to.
#pragma once
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "ggml/graph/graph.hpp"
#include "ql/ql.h"

namespace ql::test {

/// Makes leaves in one short call each.
struct Leaves {
    Graph g;
    Tensor * f32(Shape s) { return g.leaf(TensorKind::param, "x", QL_F32, 4, s.ne.data(), nullptr); }
    Tensor * f16(Shape s) { return g.leaf(TensorKind::state, "cache", QL_F16, 4, s.ne.data(), nullptr); }
    Tensor * i32(Shape s) { return g.leaf(TensorKind::input, "ids", QL_I32, 4, s.ne.data(), nullptr); }
    Tensor * state(Shape s) { return g.leaf(TensorKind::state, "state", QL_F32, 4, s.ne.data(), nullptr); }
    Tensor * codes(Shape s) { return g.leaf(TensorKind::state, "codes", QL_I8, 4, s.ne.data(), nullptr); }
    Tensor * weight(Shape s, ql_dtype dtype) {
        static const char bytes[1 << 16]{};
        return g.leaf(TensorKind::weight, "w", dtype, 4, s.ne.data(), bytes);
    }
    /// A linear of x with the branch of adapter 1.
    Tensor * mix(Shape w, Shape x, Shape factors, Shape a, Shape bt) {
        Tensor *const as[] = {f32(a)}, *const bts[] = {f32(bt)};
        const int adapter = 1;
        return ql_lora_mix(&g, f32(w), f32(x), f32(factors), 1, &adapter, as, bts);
    }
};

struct Refusal {
    const char * what;
    std::function<Tensor *(Leaves &)> build;
    ql_status code;
    const char * message;  // a part of the expected one

    friend void PrintTo(const Refusal & r, std::ostream * out) { *out << r.what; }
};

inline void expect_refusal(const Refusal & r) {
    SCOPED_TRACE(r.what);
    Leaves l;
    EXPECT_EQ(r.build(l), nullptr);
    EXPECT_EQ(ql_graph_status(&l.g), r.code);
    EXPECT_NE(std::string(ql_error_message()).find(r.message), std::string::npos) << ql_error_message();
    EXPECT_EQ(std::string(ql_error_message()).find('\n'), std::string::npos);
    EXPECT_EQ(ql_graph_n_nodes(&l.g), 0);
}

}  // namespace ql::test
