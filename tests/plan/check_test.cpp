// The checker of lists finds each kind of fault that a pass could make.
#include "plan/passes.hpp"

namespace ql::test {
namespace {

class Checker : public Passes {
  protected:
    Tensor *x = leaf(TensorKind::input, {32, 9}), *a = ql_add(&g, x, x), *b = ql_swiglu(&g, a, x),
           *c = ql_add(&g, x, ql_swiglu(&g, b, a));

    std::string fault() {
        const Status s = check_list(list);
        return s.ok() ? "" : s.message();
    }
    void expect_fault(const std::string & words) {
        EXPECT_NE(fault().find(words), std::string::npos) << "got '" << fault() << "'";
    }
    void reached() { apply({c}, {reach, place}); }
    void assigned() { apply({c}, {reach, place, choose_kernels, assign_buffers}); }
};

TEST_F(Checker, AReaderBeforeItsWriter) {
    reached();
    std::swap(list.nodes[0], list.nodes[1]);
    expect_fault("before it is written");
}

TEST_F(Checker, AnOutputThatNobodyWrites) {
    reached();
    list.nodes.pop_back();
    expect_fault("nothing writes the output");
}

TEST_F(Checker, TwoWriters) {
    reached();
    list.nodes.insert(list.nodes.begin(), list.nodes[0]);
    expect_fault("is not the one writer");
}

TEST_F(Checker, AResultThatIsALeaf) {
    reached();
    list.nodes[0]->out[0] = value(x);
    expect_fault("writes the leaf");
}

TEST_F(Checker, AShapeThatTheRuleRefuses) {
    reached();
    value(b)->shape = Shape(32);
    expect_fault("is not what its rule says");
}

TEST_F(Checker, ATypeThatIsNoNarrowForm) {
    reached();
    value(b)->dtype = QL_BF16;
    EXPECT_EQ(fault(), "");
    value(b)->dtype = QL_F16;
    expect_fault("swiglu");
}

TEST_F(Checker, AViewOfAnotherValue) {
    reached();
    value(b)->alias = value(a);
    expect_fault("is not what its rule says");
}

TEST_F(Checker, AResultWithoutABuffer) {
    assigned();
    value(b)->buffer = kNoBuffer;
    expect_fault("no buffer of its own");
}

TEST_F(Checker, ABufferThatIsOverwrittenTooEarly) {
    assigned();
    value(b)->buffer = value(a)->buffer;
    expect_fault("whose buffer holds something else");
}

TEST_F(Checker, TwoResultsOfANodeInOneBuffer) {
    Tensor *y = leaf(TensorKind::input, {32, 9}), *m = leaf(TensorKind::input, {32, 32});
    apply({ql_lora(&g, y, x, m, m, 1)}, {reach, place, choose_kernels, assign_buffers});
    list.nodes[0]->result(1)->buffer = list.nodes[0]->result(0)->buffer;
    expect_fault("no buffer of its own");
}

TEST_F(Checker, AnOperandOnAnotherDevice) {
    assigned();
    value(x)->device = &second;
    expect_fault("on the wrong device");
}

TEST_F(Checker, AResultOverASourceOfItsStep) {
    constexpr Layout kOneBuffer = {{64, 0, 0}};
    list.buffers = {{&device, 64, 0, 1}, {&device, 64, 2, 3}};
    EXPECT_TRUE(check_layout(list, &device, kOneBuffer).ok());
    list.buffers[1].first = 1;
    EXPECT_FALSE(check_layout(list, &device, kOneBuffer).ok());
}

TEST_F(Checker, BuffersThatShareBytesAtOneTime) {
    assigned();
    const Layout layout = place_buffers(list.buffers, &device, 64);
    EXPECT_TRUE(check_layout(list, &device, layout).ok());
    Buffer &first = list.buffers[value(a)->buffer], &second = list.buffers[value(b)->buffer];
    ASSERT_EQ(first.region, second.region);
    first.offset = second.offset;
    EXPECT_FALSE(check_layout(list, &device, layout).ok());
}

TEST_F(Checker, ABufferOutsideItsMemory) {
    assigned();
    const Layout layout = place_buffers(list.buffers, &device, 64);
    list.buffers[value(c)->buffer].offset += 64;
    EXPECT_FALSE(check_layout(list, &device, layout).ok());
}

}  // namespace
}  // namespace ql::test
