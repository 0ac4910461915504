// What every device promises of its queues, and that those of "apart" keep only the order they are told to.
#include <gtest/gtest.h>

#include <set>

#include "backends/opened_device.hpp"
#include "ggml/backend/registry.hpp"
#include "support/conformance.hpp"

namespace ql::test {
namespace {

/// A device with some memory of each kind.
class QueuedDevice {
  public:
    explicit QueuedDevice(const char * name) : opened_(*find_device(name)->backend, options()) {
        for (const MemoryKind kind : {MemoryKind::device, MemoryKind::pinned}) {
            Result<void *> memory = opened_.impl->allocate(kind, kBytes);
            EXPECT_TRUE(memory.ok()) << memory.message();
            (kind == MemoryKind::device ? own : pinned) = static_cast<std::byte *>(*memory);
        }
    }
    ~QueuedDevice() {
        opened_.impl->release(MemoryKind::device, own, kBytes);
        opened_.impl->release(MemoryKind::pinned, pinned, kBytes);
    }
    DeviceImpl & operator*() { return *opened_.impl; }
    DeviceImpl * operator->() { return opened_.impl; }

    Copy up(size_t to, const void * from, size_t bytes, MemoryKind kind = MemoryKind::host) const {
        return {own + to, from, bytes, MemoryKind::device, kind};
    }
    Copy down(void * to, size_t from, size_t bytes, MemoryKind kind = MemoryKind::host) const {
        return {to, own + from, bytes, kind, MemoryKind::device};
    }
    Status start(Queue queue, const Copy & copy) { return opened_.impl->copy(queue, copy); }
    Status finish(Queue queue) { return opened_.impl->finish(opened_.impl->now(queue)); }

    static constexpr size_t kBytes = 100;
    std::byte *own = nullptr, *pinned = nullptr;

  private:
    static ql_device_options options() {
        ql_device_options o;
        ql_device_options_init(&o);
        o.threads = 1;
        return o;
    }
    OpenDevice opened_;
};

class EveryDevice : public testing::TestWithParam<const char *> {
  protected:
    QueuedDevice device{GetParam()};
};
const char * const kDevices[] = {"cpu", "apart",
#ifdef QL_CUDA_EMULATED
                                 "cuda-emu"
#endif
};
INSTANTIATE_TEST_SUITE_P(Backends, EveryDevice, testing::ValuesIn(kDevices),
                         [](const auto & p) { return std::string(p.param) == "cuda-emu" ? "cuda_emu" : p.param; });

TEST_P(EveryDevice, HandsOutZeros) {
    std::vector<char> got(QueuedDevice::kBytes, 1);
    ASSERT_TRUE(device.start(Queue::copy, device.down(got.data(), 0, got.size())).ok());
    ASSERT_TRUE(device.finish(Queue::copy).ok());
    EXPECT_EQ(got, std::vector<char>(QueuedDevice::kBytes));
    EXPECT_EQ(device.pinned[QueuedDevice::kBytes - 1], std::byte{0});
}

TEST_P(EveryDevice, CopiesRangesBetweenItsMemoriesAndTheHosts) {
    const char text[] = "0123456789";
    char back[4] = "";
    ASSERT_TRUE(device.start(Queue::copy, device.up(7, text, 10)).ok());
    const Copy within = {device.own + 50, device.own + 9, 5, MemoryKind::device, MemoryKind::device};
    ASSERT_TRUE(device.start(Queue::copy, within).ok());
    ASSERT_TRUE(device.start(Queue::copy, device.down(device.pinned + 1, 50, 5, MemoryKind::pinned)).ok());
    ASSERT_TRUE(device.start(Queue::copy, device.up(80, device.pinned + 2, 3, MemoryKind::pinned)).ok());
    ASSERT_TRUE(device.start(Queue::copy, device.down(back, 80, 3)).ok());
    ASSERT_TRUE(device.finish(Queue::copy).ok());
    EXPECT_STREQ(back, "345");
}

TEST_P(EveryDevice, AQueueKeepsItsOrder) {
    const char text[] = "abcdefgh";
    char back[2] = "";
    for (int i = 0; i < 8; ++i) ASSERT_TRUE(device.start(Queue::compute, device.up(0, text + i, 1)).ok());
    ASSERT_TRUE(device.start(Queue::compute, device.down(back, 0, 1)).ok());
    ASSERT_TRUE(device.finish(Queue::compute).ok());
    EXPECT_STREQ(back, "h");
}

TEST_P(EveryDevice, AQueueThatIsHeldBackWaitsForTheEvent) {
    char back[2] = "";
    ASSERT_TRUE(device.start(Queue::copy, device.up(0, "x", 1)).ok());
    ASSERT_TRUE(device->hold(Queue::compute, device->now(Queue::copy)).ok());
    ASSERT_TRUE(device.start(Queue::compute, device.down(back, 0, 1)).ok());
    ASSERT_TRUE(device.finish(Queue::compute).ok());
    EXPECT_STREQ(back, "x");
}

TEST_P(EveryDevice, AListMayHoldCopies) {
    const int64_t n = 4;
    Graph g;
    Tensor *x = g.leaf(TensorKind::input, "x", QL_F32, 1, &n, nullptr), *y = ql_add(&g, x, x);
    const float four[] = {1, 2, 3, 4};
    float sums[4] = {};
    std::vector<Step> steps(3);
    for (Step & s : steps) s.node = y->producer;
    steps[0].copy = device.up(0, four, 16);
    steps[0].queue = steps[2].queue = device->caps().copy_queue ? Queue::copy : Queue::compute;
    steps[1].kernel = find_device(GetParam())->backend->kernels[op_index(y->producer->def)];
    steps[1].src = {device.own, device.own};
    steps[1].out = {device.own + 64};
    steps[2].copy = device.down(sums, 64, 16);
    if (device->caps().copy_queue) {
        steps[1].after = {0};
        steps[2].after = {1};
    }
    const auto executable = device->compile(steps);
    ASSERT_TRUE(executable.ok()) << executable.message();
    ASSERT_TRUE(device->run(**executable, true).ok());
    ASSERT_TRUE(device.finish(Queue::compute).ok()) << "which goes on when all steps are done";
    EXPECT_EQ(sums[3], 8);
    for (const Step & s : steps) EXPECT_EQ(s.runs, 1);
}

/// What a second queue reads where the first is to write 'x', in any order; with `wait` it waits for the first.
std::set<char> seen_in_any_order(bool wait) {
    std::set<char> seen;
    for (int seed = 1; seed <= 20; ++seed) {
        const Injected order("seed=" + std::to_string(seed));
        QueuedDevice device("apart");
        char back = 0;
        EXPECT_TRUE(device.start(Queue::copy, device.up(0, "x", 1)).ok());
        if (wait) {
            EXPECT_TRUE(device->hold(Queue::compute, device->now(Queue::copy)).ok());
        }
        EXPECT_TRUE(device.start(Queue::compute, device.down(&back, 0, 1)).ok());
        EXPECT_TRUE(device.finish(Queue::compute).ok());
        EXPECT_TRUE(device.finish(Queue::copy).ok());
        seen.insert(back);
    }
    return seen;
}

TEST(ApartQueues, RunOutOfOrderUnlessOneWaits) {
    EXPECT_EQ(seen_in_any_order(false), (std::set<char>{0, 'x'}));
    EXPECT_EQ(seen_in_any_order(true), std::set<char>{'x'});
}

TEST(ApartQueues, MayBeginOnlyWhenSomebodyWaits) {
    const Injected late("delay=100");
    QueuedDevice device("apart");
    char sent = 'a', back = 0;
    ASSERT_TRUE(device.start(Queue::copy, device.up(0, &sent, 1)).ok());
    sent = 'b';
    ASSERT_TRUE(device.start(Queue::copy, device.down(&back, 0, 1)).ok());
    EXPECT_EQ(back, 0);
    ASSERT_TRUE(device.finish(Queue::copy).ok());
    EXPECT_EQ(back, 'b') << "what is being copied is not to be touched";
}

TEST(ApartQueues, WaitForAnotherDevice) {
    const Injected late("delay=100");
    QueuedDevice first("apart:0"), second("apart:1");
    char back = 0;
    ASSERT_TRUE(first.start(Queue::copy, first.up(0, "x", 1)).ok());
    ASSERT_TRUE(first.start(Queue::copy, first.down(first.pinned, 0, 1, MemoryKind::pinned)).ok());
    ASSERT_TRUE(second->hold(Queue::copy, first->now(Queue::copy)).ok());
    ASSERT_TRUE(second.start(Queue::copy, second.up(0, first.pinned, 1, MemoryKind::pinned)).ok());
    ASSERT_TRUE(second.start(Queue::copy, second.down(&back, 0, 1)).ok());
    ASSERT_TRUE(second.finish(Queue::copy).ok());
    EXPECT_EQ(back, 'x');
}

TEST(ApartQueues, SayOnceWhatWentWrong) {
    const Injected fault("copy=2");
    QueuedDevice device("apart");
    char back = 0;
    ASSERT_TRUE(device.start(Queue::copy, device.up(0, "x", 1)).ok());
    ASSERT_TRUE(device.start(Queue::copy, device.up(0, "y", 1)).ok()) << "it is not known yet";
    ASSERT_TRUE(device.start(Queue::copy, device.down(&back, 0, 1)).ok());
    EXPECT_EQ(device.finish(Queue::copy).message(), "apart: a copy was made to fail");
    EXPECT_EQ(back, 0) << "what comes after it is dropped";
    EXPECT_TRUE(device.finish(Queue::copy).ok());
}

}  // namespace
}  // namespace ql::test
