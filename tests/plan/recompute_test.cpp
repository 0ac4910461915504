// Values of the forward pass that are computed again, and nodes on leaves that run as early as they may.
#include <algorithm>
#include <array>
#include <memory>

#include "plan/passes.hpp"

namespace ql::test {
namespace {

constexpr int64_t kWidth = 64, kTokens = 33;

/// Three layers x + silu(W x) . (P x), of which P is trained.
class Layers : public Passes {
  protected:
    void build(int layers = 3) {
        Tensor * x = leaf(TensorKind::input, {kWidth, kTokens});
        for (int i = 0; i < layers; ++i) {
            g.set_place(i);
            params.push_back(leaf(TensorKind::param, {kWidth, kWidth}));
            Tensor * gate = ql_mul_mat(&g, leaf(TensorKind::state, {kWidth, kWidth}), x);
            gates.push_back(gate);
            Tensor * flat = ql_reshape(&g, gate, 2, gate->shape.ne.data());
            x = ql_add(&g, x, ql_mul(&g, ql_unary(&g, flat, QL_UNARY_SILU), ql_mul_mat(&g, params.back(), x)));
            outs.push_back(x);
        }
        loss = ql_sum_rows(&g, ql_reshape(&g, x, 1, std::array{kWidth * kTokens}.data()));
        grads.resize(params.size());
        ASSERT_EQ(QL_OK, ql_gradients(&g, loss, params.data(), layers, QL_RECOMPUTE_NONE, grads.data()));
        for (size_t i = 0; i < params.size(); ++i) {
            sums.push_back(leaf(TensorKind::state, params[i]->shape));
            outputs.push_back(ql_accumulate(&g, sums.back(), grads[i]));
        }
        outputs.insert(outputs.begin(), loss);
    }
    void run(int recomputed) {
        std::destroy_at(&list);
        std::construct_at(&list);
        ASSERT_TRUE(reach(list, {outputs, devices}).ok());
        ASSERT_TRUE(hasten(list, {outputs, devices}).ok());
        ASSERT_TRUE(place(list, {outputs, devices}).ok());
        const Status status = recompute(list, {outputs, devices, recomputed});
        ASSERT_TRUE(status.ok()) << status.message();
        const Status sound = check_list(list);
        ASSERT_TRUE(sound.ok()) << sound.message();
    }
    int64_t last_reader(Tensor * t) {
        int64_t last = -1;
        for (size_t i = 0; i < list.nodes.size(); ++i)
            for (const Operand * s : list.nodes[i]->src)
                if (s && s->root() == value(t)) last = static_cast<int64_t>(i);
        return last;
    }
    bool is_backward(int64_t node) const { return list.nodes[static_cast<size_t>(node)]->is_backward; }

    std::vector<Tensor *> params, gates, outs, grads, sums, outputs;
    Tensor * loss = nullptr;
};

TEST_F(Layers, KeepTheValuesOfPlacesThatAreNotRecomputed) {
    build();
    run(1);
    EXPECT_FALSE(is_backward(last_reader(gates[0])));
    EXPECT_TRUE(is_backward(last_reader(gates[1])));
    EXPECT_TRUE(is_backward(last_reader(gates[2])));
}

TEST_F(Layers, ComputeAgainWhatLeadsFromTheirInputToWhatIsRead) {
    build();
    run(0);
    const Ops before = count();
    run(2);
    Ops after = count();
    // The gate's product and silu; in layer 1 the parameter's product, too, for the gradient of the gate. Not the sum,
    // which is the next layer's input.
    EXPECT_EQ(after["mul_mat"], before.at("mul_mat") + 3);
    EXPECT_EQ(after["add"], before.at("add"));
    EXPECT_TRUE(is_backward(last_reader(outs[0]))) << "the input of layer 1 is kept for its recomputation";
}

TEST_F(Layers, NeverComputeTheLastOneAgain) {
    build();
    run(2);
    const size_t nodes = list.nodes.size();
    run(99);
    EXPECT_EQ(list.nodes.size(), nodes);
}

TEST_F(Layers, AreComputedAgainJustBeforeTheyAreNeeded) {
    build();
    run(2);
    int64_t place = 99;
    bool backward = false;
    for (const PlanNode * n : list.nodes) {
        backward |= n->is_backward;
        if (!backward || is_view(*n)) continue;
        EXPECT_LE(n->place, place) << "clones stand with the backward pass of their layer";
        place = n->place;
    }
}

TEST_F(Layers, KeepWhatIsAnOutput) {
    build();
    outputs.push_back(gates[0]);
    run(2);
    EXPECT_TRUE(is_backward(last_reader(gates[0])));
    EXPECT_FALSE(is_backward(last_reader(gates[1])));
}

TEST_F(Layers, AddTheirGradientsUpBeforeTheNextLayersBackwardPass) {
    build();
    run(0);
    std::vector<int> places;
    for (const PlanNode * n : list.nodes)
        if (n->def == &op::accumulate) places.push_back(n->place);
    EXPECT_EQ(places, (std::vector{2, 1, 0}));
}

TEST_F(Layers, KeepTheOrderOfWhatReadsAndWritesALeaf) {
    Tensor *x = leaf(TensorKind::input, {8}), *y = ql_add(&g, x, x), *z = ql_add(&g, y, x);
    Tensor * state = leaf(TensorKind::state, {8});
    Tensor * first = ql_accumulate(&g, state, y);   // after y
    Tensor * read = ql_add(&g, state, z);           // reads what first wrote
    Tensor * second = ql_accumulate(&g, state, y);  // not before it was read
    Tensor * zero = ql_zero(&g, state);
    outputs = {first, read, second, zero};
    run(0);
    const auto at = [&](const Tensor * t) {
        return std::find_if(list.nodes.begin(), list.nodes.end(),
                            [&](const PlanNode * n) { return n->out[0] == value(const_cast<Tensor *>(t)); }) -
               list.nodes.begin();
    };
    EXPECT_LT(at(first), at(z));
    EXPECT_LT(at(first), at(read));
    EXPECT_LT(at(read), at(second));
    EXPECT_LT(at(second), at(zero));
}

}  // namespace
}  // namespace ql::test
