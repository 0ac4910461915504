// Which results take over a source's bytes, and what lies in the memory that a plan keeps for its outputs.
#include "plan/counting_device.hpp"
#include "plan/passes.hpp"

namespace ql::test {
namespace {

class Buffers : public Passes {
  protected:
    Tensor * input() { return leaf(TensorKind::input, {32, 9}); }
    void assign(const std::vector<Tensor *> & outputs) {
        apply(outputs, {reach, place, choose_kernels, assign_buffers});
        const Layout layout = place_buffers(list.buffers, &device, 64);
        const Status sound = check_layout(list, &device, layout);
        EXPECT_TRUE(sound.ok()) << sound.message();
    }
    size_t buffer(Tensor * t) { return value(t)->buffer; }
};

TEST_F(Buffers, AResultTakesOverASourceThatDies) {
    Tensor *x = input(), *a = ql_add(&g, x, x), *b = ql_add(&g, a, x);
    assign({b});
    EXPECT_EQ(buffer(b), buffer(a));
}

TEST_F(Buffers, ASourceThatIsReadTwiceByTheNodeIsLeftAlone) {
    Tensor *x = input(), *a = ql_add(&g, x, x), *b = ql_add(&g, a, a);
    assign({b});
    EXPECT_NE(buffer(b), buffer(a)) << "a kernel would read what it has written";
}

TEST_F(Buffers, AViewOfTheSourceCountsAsASecondReading) {
    const int64_t flat[] = {32 * 9};
    Tensor *x = input(), *a = ql_add(&g, x, x),
           *view = ql_reshape(&g, ql_reshape(&g, a, 1, flat), 2, x->shape.ne.data());
    Tensor * b = ql_add(&g, a, view);
    assign({b});
    EXPECT_NE(buffer(b), buffer(a));
}

TEST_F(Buffers, ASourceThatIsReadLaterIsLeftAlone) {
    Tensor *x = input(), *a = ql_add(&g, x, x), *b = ql_add(&g, a, x), *c = ql_swiglu(&g, b, a);
    assign({c});
    EXPECT_NE(buffer(b), buffer(a));
}

TEST_F(Buffers, ASourceThatIsReadThroughAViewLaterIsLeftAlone) {
    const int64_t flat[] = {32 * 9};
    Tensor *x = input(), *a = ql_add(&g, x, x), *view = ql_reshape(&g, a, 1, flat), *b = ql_add(&g, a, x);
    Tensor * c = ql_swiglu(&g, ql_reshape(&g, b, 1, flat), view);
    assign({c});
    EXPECT_NE(buffer(b), buffer(a));
}

TEST_F(Buffers, ASourceOfFewerBytesIsLeftAlone) {
    Tensor *x = input(), *a = ql_add(&g, x, x), *b = ql_add(&g, a, x);
    apply({b}, {reach, place, choose_kernels});
    value(a)->dtype = QL_BF16;
    apply({b}, {assign_buffers});
    EXPECT_NE(buffer(b), buffer(a));
}

TEST_F(Buffers, LeavesAreNeverTakenOver) {
    Tensor *x = input(), *a = ql_add(&g, x, x);
    assign({a});
    EXPECT_EQ(buffer(x), kNoBuffer);
}

TEST_F(Buffers, AnOutputIsKeptWhenALaterResultCouldTakeItOver) {
    Tensor *x = input(), *a = ql_add(&g, x, x), *b = ql_add(&g, a, x);
    assign({a, b});
    EXPECT_NE(buffer(b), buffer(a));
    EXPECT_EQ(list.buffers[buffer(a)].region, Region::outputs);
    EXPECT_EQ(list.buffers[buffer(b)].region, Region::outputs);
}

TEST_F(Buffers, ASourceThatAnotherDeviceHasIsLeftAlone) {
    device.caps.host_memory = second.caps.host_memory = true;
    devices = {&device, &second};
    Tensor *x = input(), *a = ql_add(&g, x, x);
    g.set_place(1);
    Tensor * b = ql_add(&g, a, x);
    assign({ql_swiglu(&g, b, x)});
    EXPECT_NE(buffer(b), buffer(a));
}

TEST_F(Buffers, ScratchLivesForItsStep) {
    plain.scratch = [](const Node &, const DeviceImpl &) { return size_t{100}; };
    Counting impl;
    device.impl = &impl;
    Tensor *x = input(), *a = ql_add(&g, x, x), *b = ql_swiglu(&g, a, x);
    assign({b});
    const Buffer &first = list.buffers[list.nodes[0]->scratch], &second = list.buffers[list.nodes[1]->scratch];
    EXPECT_EQ(first.last, 0);
    EXPECT_EQ(second.first, 1);
    EXPECT_EQ(first.bytes, 100u);
}

}  // namespace
}  // namespace ql::test
