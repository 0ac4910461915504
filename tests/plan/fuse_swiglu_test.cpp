// Gates that a graph composes of `unary` and `mul`: which become swiglu and swiglu_back, and which must not.
#include "ggml/ops/params.hpp"
#include "plan/fusion.hpp"

namespace ql::test {
namespace {

class GateFusion : public Fusion {
  protected:
    Tensor * silu(Tensor * gate) { return ql_unary(&g, gate, QL_UNARY_SILU); }
    Tensor * mul(Tensor * a, Tensor * b) { return ql_mul(&g, a, b); }
    Tensor * state() { return filled(TensorKind::state, {kWidth, kTokens}); }
    Tensor * overwrite(Tensor * state) { return ql_kv_store(&g, state, stream(), ids({6, 5, 4, 3, 2, 1, 0})); }
    /// On the second of two devices.
    Tensor * elsewhere(Tensor * (*op)(ql_graph *, Tensor *, Tensor *), Tensor * a, Tensor * b) {
        devices = {&device, &second};
        g.set_place(1);
        Tensor * made = op(&g, a, b);
        g.set_place(0);
        return made;
    }
    void lose_kernel_of(const OpDef & def) { table[op_index(&def)] = &none_; }
    int count_of(const char * op) const {
        const Ops ops = count();
        return ops.count(op) ? ops.at(op) : 0;
    }

  private:
    Kernel none_ = missing("a test took it away");
};

TEST_F(GateFusion, ASiluTimesUpIsOneOperator) {
    Tensor *gate = stream(), *up = stream();
    fuse({mul(silu(gate), up)});
    EXPECT_EQ(count(), (Ops{{"swiglu", 1}}));
    EXPECT_EQ(list.nodes[0]->src, (std::vector<Operand *>{value(gate), value(up)}));
    expect_same_values();
}

TEST_F(GateFusion, TheOrderOfTheFactorsIsOfNoAccount) {
    Tensor *gate = stream(), *up = stream();
    fuse({mul(up, silu(gate))});
    EXPECT_EQ(count(), (Ops{{"swiglu", 1}}));
    EXPECT_EQ(list.nodes[0]->src, (std::vector<Operand *>{value(gate), value(up)}));
    expect_same_values();
}

TEST_F(GateFusion, TheResultMayLieInTheGatesStorage) {
    fuse({mul(stream(), silu(stream()))});
    EXPECT_EQ(list.nodes[0]->out[0]->may_reuse, 0);
}

TEST_F(GateFusion, EveryProductOfOneSiluIsAnOperatorOfItsOwn) {
    Tensor * s = silu(stream());
    fuse({mul(s, stream()), mul(stream(), s)});
    EXPECT_EQ(count(), (Ops{{"swiglu", 2}}));
    expect_same_values();
}

TEST_F(GateFusion, ASiluThatIsWantedStays) {
    Tensor * s = silu(stream());
    fuse({mul(s, stream()), s});
    EXPECT_EQ(count(), (Ops{{"unary", 1}, {"mul", 1}}));
    expect_same_values();
}

TEST_F(GateFusion, ASiluThatSomethingElseReadsStaysForAll) {
    Tensor * s = silu(stream());
    fuse({mul(s, stream()), ql_add(&g, s, stream())});
    EXPECT_EQ(count(), (Ops{{"unary", 1}, {"mul", 1}, {"add", 1}}));
    expect_same_values();
}

TEST_F(GateFusion, ASiluThatIsReadUnderAnotherShapeStays) {
    const int64_t flat = kWidth * kTokens;
    Tensor * s = silu(stream());
    fuse({mul(s, stream()), ql_reshape(&g, s, 1, &flat)});
    EXPECT_EQ(count(), (Ops{{"unary", 1}, {"mul", 1}, {"reshape", 1}}));
    expect_same_values();
}

TEST_F(GateFusion, ASecondSiluOfTheGateThatStaysKeepsTheFirst) {
    Tensor * gate = stream();
    fuse({mul(silu(gate), stream()), ql_add(&g, silu(gate), stream())});
    EXPECT_EQ(count(), (Ops{{"unary", 2}, {"mul", 1}, {"add", 1}}));
    expect_same_values();
}

TEST_F(GateFusion, ASquareIsNoGate) {
    Tensor * s = silu(stream());
    fuse({mul(s, s)});
    EXPECT_EQ(count(), (Ops{{"unary", 1}, {"mul", 1}}));
    expect_same_values();
}

TEST_F(GateFusion, AFactorThatIsRepeatedIsNoGate) {
    fuse({mul(silu(stream()), filled(TensorKind::input, Shape(kWidth)))});
    EXPECT_EQ(count(), (Ops{{"unary", 1}, {"mul", 1}}));
    expect_same_values();
}

TEST_F(GateFusion, AnotherFunctionOrItsDerivativeIsNoGate) {
    Tensor * slope = g.emit(op::unary, {stream()}, UnaryParams{QL_UNARY_SILU, 1, 0, 0});
    fuse({mul(ql_unary(&g, stream(), QL_UNARY_GELU), stream()), mul(slope, stream())});
    EXPECT_EQ(count(), (Ops{{"unary", 2}, {"mul", 2}}));
    expect_same_values();
}

TEST_F(GateFusion, AProductOfTwoGatesIsOneOfThem) {
    fuse({mul(silu(stream()), silu(stream()))});
    EXPECT_EQ(count(), (Ops{{"unary", 1}, {"swiglu", 1}}));
    expect_same_values();
}

TEST_F(GateFusion, NoGateIsReadAfterItChanged) {
    Tensor *gate = state(), *before = silu(gate), *stored = overwrite(gate);
    fuse({stored, mul(before, stream())});
    EXPECT_EQ(count(), (Ops{{"unary", 1}, {"kv_store", 1}, {"mul", 1}}));
}

TEST_F(GateFusion, NoSiluMovesToAnotherDevice) {
    fuse({elsewhere(ql_mul, silu(stream()), stream())});
    EXPECT_EQ(count(), (Ops{{"unary", 1}, {"mul", 1}}));
}

TEST_F(GateFusion, ADeviceWithoutTheOperatorKeepsTheComposition) {
    lose_kernel_of(op::swiglu);
    fuse({mul(silu(stream()), stream())});
    EXPECT_EQ(count(), (Ops{{"unary", 1}, {"mul", 1}}));
}

/// A composed gate between linears, and the gradients of all three by way of reverse accumulation.
class GateGradients : public GateFusion, public testing::WithParamInterface<std::tuple<ql_recompute, bool>> {
  protected:
    Tensor *x = filled(TensorKind::param, {kWidth, kTokens}), *gate = linear(x, kHidden), *up = linear(x, kHidden);

    Tensor * composed() {
        Tensor * s = silu(gate);
        return std::get<1>(GetParam()) ? mul(up, s) : mul(s, up);
    }
    Tensor * gradient_of(Tensor * y) {
        const int64_t n = y->shape.elements();
        Tensor * factors = filled(TensorKind::input, Shape(n));
        Tensor *loss = ql_sum_rows(&g, ql_mul(&g, ql_reshape(&g, y, 1, &n), factors)), *dx = nullptr;
        EXPECT_EQ(QL_OK, ql_gradients(&g, loss, &x, 1, std::get<0>(GetParam()), &dx)) << ql_error_message();
        return dx;
    }
};

TEST_P(GateGradients, AreOneOperatorAndNoSiluIsKept) {
    Tensor *y = linear(composed(), kWidth), *dx = gradient_of(y);
    fuse({y, dx});
    EXPECT_EQ(count_of("swiglu"), 1);
    EXPECT_EQ(count_of("swiglu_back"), 1);
    EXPECT_EQ(count_of("unary"), 0);
    expect_same_values();
}

TEST_P(GateGradients, OfUpAloneAreAGateOfThem) {
    gate = linear(stream(), kHidden);  // depends on no parameter
    Tensor *y = linear(composed(), kWidth), *dx = gradient_of(y);
    fuse({y, dx});
    EXPECT_EQ(count_of("swiglu"), 2);
    EXPECT_EQ(count_of("unary"), 0);
    expect_same_values();
}

TEST_P(GateGradients, WhereTheSiluIsWantedAreOneOperatorBesideIt) {
    Tensor * s = silu(gate);
    Tensor *y = mul(s, up), *dx = gradient_of(y);
    fuse({y, s, dx});
    EXPECT_EQ(count_of("swiglu_back"), 1);
    EXPECT_EQ(count_of("swiglu"), 0);
    EXPECT_EQ(count_of("unary"), 1);
    expect_same_values();
}

INSTANTIATE_TEST_SUITE_P(Recompute, GateGradients,
                         testing::Combine(testing::Values(QL_RECOMPUTE_NONE, QL_RECOMPUTE_CHEAP), testing::Bool()),
                         [](const auto & info) {
                             return std::string(std::get<0>(info.param) ? "Cheap" : "None") +
                                    (std::get<1>(info.param) ? "UpFirst" : "SiluFirst");
                         });

/// The five nodes of a gradient, made by hand in the order in which reverse accumulation makes them.
class GateBack : public GateFusion {
  protected:
    Tensor *gate = stream(), *up = stream(), *dy = stream();
    Tensor *s = nullptr, *ds = nullptr, *dup = nullptr, *slope = nullptr, *dgate = nullptr;

    Tensor * silu_slope(Tensor * x) { return g.emit(op::unary, {x}, UnaryParams{QL_UNARY_SILU, 1, 0, 0}); }
    void make() {
        s = silu(gate);
        ds = mul(dy, up);
        dup = mul(dy, s);
        slope = silu_slope(gate);
        dgate = mul(slope, ds);
    }
    void expect_kept(const std::vector<Tensor *> & outputs) {
        fuse(outputs);
        EXPECT_EQ(count_of("swiglu_back"), 0);
        expect_same_values();
    }
};

TEST_F(GateBack, IsOneOperator) {
    make();
    fuse({dgate, dup});
    EXPECT_EQ(count(), (Ops{{"swiglu_back", 1}}));
    EXPECT_EQ(list.nodes[0]->src, (std::vector<Operand *>{value(gate), value(up), value(dy)}));
    EXPECT_EQ(list.nodes[0]->out, (std::vector<Operand *>{value(dgate), value(dup)}));
    expect_same_values();
}

TEST_F(GateBack, StandsBeforeWhatReadsTheFirstOfItsResults) {
    s = silu(gate);
    ds = mul(up, dy);
    dup = mul(s, dy);
    Tensor * twice = ql_add(&g, dup, dup);
    dgate = mul(ds, silu_slope(gate));
    fuse({dgate, twice});
    EXPECT_EQ(count(), (Ops{{"swiglu_back", 1}, {"add", 1}}));
    EXPECT_EQ(list.nodes[0]->def, &op::swiglu_back);
    expect_same_values();
}

TEST_F(GateBack, NotWhereOneResultIsReadBeforeTheOthersSources) {
    s = silu(gate);
    dup = mul(dy, s);
    Tensor * later = ql_add(&g, dup, up);
    ds = mul(dy, later);
    dgate = mul(silu_slope(gate), ds);
    expect_kept({dgate, later});
}

TEST_F(GateBack, NotWhereWhatIsBetweenIsWanted) {
    make();
    expect_kept({dgate, dup, ds});
}

TEST_F(GateBack, NotWhereTheSlopeIsWanted) {
    make();
    expect_kept({dgate, dup, slope});
}

TEST_F(GateBack, NotWhereWhatIsBetweenIsReadElsewhere) {
    make();
    expect_kept({dgate, dup, ql_add(&g, ds, up)});
}

TEST_F(GateBack, NotWithTheSiluOfAnotherGate) {
    s = silu(stream());
    ds = mul(dy, up);
    dup = mul(dy, s);
    dgate = mul(silu_slope(gate), ds);
    expect_kept({dgate, dup});
}

TEST_F(GateBack, NotWithAnotherGradient) {
    s = silu(gate);
    ds = mul(dy, up);
    dup = mul(stream(), s);
    dgate = mul(silu_slope(gate), ds);
    expect_kept({dgate, dup});
}

TEST_F(GateBack, NotOfAGateThatChangesOnTheWay) {
    gate = state();
    s = silu(gate);
    Tensor * stored = overwrite(gate);
    ds = mul(dy, up);
    dup = mul(dy, s);
    dgate = mul(silu_slope(gate), ds);
    fuse({stored, dgate, dup});
    EXPECT_EQ(count_of("swiglu_back"), 0);
}

TEST_F(GateBack, NotOverSeveralDevices) {
    s = silu(gate);
    ds = mul(dy, up);
    dup = elsewhere(ql_mul, dy, s);
    dgate = mul(silu_slope(gate), ds);
    expect_kept({dgate, dup});
}

TEST_F(GateBack, NotOnADeviceWithoutTheOperator) {
    lose_kernel_of(op::swiglu_back);
    make();
    expect_kept({dgate, dup});
}

}  // namespace
}  // namespace ql::test
