// A Vulkan device as a device: its memory and copies, lists that run again, what it refuses, and what faults it reports.
#include <cstring>
#include <filesystem>
#include <fstream>

#include "ggml/graph/graph.hpp"
#include "ql/ql.h"
#include "support/temporary_folder.hpp"
#include "vulkan/vulkan_device.hpp"

namespace ql::vulkan {
namespace {

using test::OpenDevice;

class VulkanDeviceTest : public testing::Test {
  protected:
    void SetUp() override { QL_NEEDS_VULKAN(); }
    static const Backend & backend() { return *find_device("vulkan")->backend; }
    static Status open(const ql_device_options & options) {
        std::unique_ptr<DeviceImpl> device;
        return backend().open(options, 0, device);
    }
};

/// A device with 256 floats of each kind of memory.
class Memories {
  public:
    static constexpr size_t kBytes = 1024;
    Memories() : opened(*find_device("vulkan")->backend, options_of()) {
        own = static_cast<std::byte *>(opened.impl->allocate(MemoryKind::device, kBytes).value());
        pinned = static_cast<std::byte *>(opened.impl->allocate(MemoryKind::pinned, kBytes).value());
    }
    ~Memories() {
        opened.impl->release(MemoryKind::device, own, kBytes);
        opened.impl->release(MemoryKind::pinned, pinned, kBytes);
    }
    Copy up(size_t to, const void * from, size_t bytes, MemoryKind kind = MemoryKind::host) const {
        return {own + to, from, bytes, MemoryKind::device, kind};
    }
    Copy down(void * to, size_t from, size_t bytes, MemoryKind kind = MemoryKind::host) const {
        return {to, own + from, bytes, kind, MemoryKind::device};
    }
    void copy(const Copy & copy) const { EXPECT_TRUE(opened.impl->copy(Queue::copy, copy).ok()); }
    Status finish() const { return opened.impl->finish(opened.impl->now(Queue::compute)); }

    OpenDevice opened;
    std::byte *own, *pinned;
};

TEST_F(VulkanDeviceTest, HandsOutZeros) {
    const Memories m;
    std::vector<char> got(Memories::kBytes, 1);
    m.copy(m.down(got.data(), 0, got.size()));
    ASSERT_TRUE(m.finish().ok());
    EXPECT_EQ(got, std::vector<char>(Memories::kBytes));
    EXPECT_EQ(m.pinned[Memories::kBytes - 1], std::byte{0});
}

TEST_F(VulkanDeviceTest, CopiesRangesBetweenItsMemoriesAndTheHosts) {
    const Memories m;
    const char text[] = "0123456789";
    char back[4] = "";
    m.copy(m.up(7, text, 10));
    m.copy({m.own + 50, m.own + 9, 5, MemoryKind::device, MemoryKind::device});
    m.copy(m.down(m.pinned + 1, 50, 5, MemoryKind::pinned));
    m.copy(m.up(80, m.pinned + 2, 3, MemoryKind::pinned));
    m.copy(m.down(back, 80, 3));
    ASSERT_TRUE(m.finish().ok());
    EXPECT_STREQ(back, "345");
}

TEST_F(VulkanDeviceTest, AQueueKeepsItsOrderThroughTheHostsMemory) {
    const Memories m;
    const char text[] = "abcdefgh";
    char between[4] = "", back[4] = "";
    for (int i = 0; i < 8; ++i) m.copy(m.up(static_cast<size_t>(i), text + i, 1));
    m.copy(m.down(between, 5, 3));
    m.copy(m.up(100, between, 3));  // which have yet to arrive there
    m.copy(m.down(back, 100, 3));
    ASSERT_TRUE(m.finish().ok());
    EXPECT_STREQ(back, "fgh");
}

TEST_F(VulkanDeviceTest, CopiesWhatIsLargerThanItsPinnedMemory) {
    const OpenDevice opened(backend(), options_of());
    std::vector<uint32_t> sent(size_t{5} << 20), got(sent.size());  // 20 MiB
    for (size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<uint32_t>(i);
    const size_t bytes = sent.size() * sizeof(uint32_t);
    const auto memory = opened.impl->allocate(MemoryKind::device, bytes);
    ASSERT_TRUE(memory.ok()) << memory.message();
    ASSERT_TRUE(
        opened.impl->copy(Queue::copy, {*memory, sent.data(), bytes, MemoryKind::device, MemoryKind::host}).ok());
    ASSERT_TRUE(
        opened.impl->copy(Queue::copy, {got.data(), *memory, bytes, MemoryKind::host, MemoryKind::device}).ok());
    ASSERT_TRUE(opened.impl->finish(opened.impl->now(Queue::copy)).ok());
    EXPECT_EQ(got, sent);
    opened.impl->release(MemoryKind::device, *memory, bytes);
}

/// y = x + x between copies from and to the host, as a list.
class SumList {
  public:
    explicit SumList(const Memories & m) : steps(3) {
        const int64_t n = 4;
        Tensor *x = graph_.leaf(TensorKind::input, "x", QL_F32, 1, &n, nullptr), *y = ql_add(&graph_, x, x);
        for (Step & s : steps) s.node = y->producer;
        steps[0].copy = m.up(0, in, sizeof(in));
        steps[1].kernel = m.opened.backend.kernels[op_index(y->producer->def)];
        steps[1].src = {m.own, m.own};
        steps[1].out = {m.own + 64};
        steps[2].copy = m.down(out, 64, sizeof(out));
    }
    std::vector<Step> steps;
    float in[4] = {1, 2, 3, 4}, out[4] = {};

  private:
    Graph graph_;
};

TEST_F(VulkanDeviceTest, AListIsRecordedOnceAndReadsTheHostAnewInEachRun) {
    const Memories m;
    SumList list(m);
    const auto executable = m.opened.impl->compile(list.steps);
    ASSERT_TRUE(executable.ok()) << executable.message();
    for (const float first : {1.0f, 5.0f, 7.0f}) {
        list.in[0] = first;
        ASSERT_TRUE(m.opened.impl->run(**executable, false).ok());
        list.in[0] = -1;  // it was read when the run began
        ASSERT_TRUE(m.finish().ok());
        EXPECT_EQ(list.out[0], 2 * first);
        EXPECT_EQ(list.out[3], 8);
    }
}

TEST_F(VulkanDeviceTest, AListIsSubmittedInPiecesThatAreNotTooLong) {
    for (const auto & [piece, refused] : {std::pair("piece=7,submit=4", true), {"piece=8,submit=5", false}}) {
        const Setting pieces(piece);  // a sum has 4 operations; two pieces of work came before
        const Memories m;
        SumList list(m);
        std::vector<Step> twice = {list.steps[0], list.steps[1], list.steps[1], list.steps[2]};
        const auto executable = m.opened.impl->compile(twice);
        ASSERT_TRUE(executable.ok()) << executable.message();
        ASSERT_TRUE(m.opened.impl->run(**executable, false).ok());
        EXPECT_EQ(!m.finish().ok(), refused) << piece;
        ASSERT_TRUE(m.opened.impl->run(**executable, true).ok());
        ASSERT_TRUE(m.finish().ok());
        EXPECT_EQ(list.out[3], 8);
        EXPECT_EQ(twice[1].runs, 1);
    }
}

TEST_F(VulkanDeviceTest, AListMayRunAgainBeforeItsLastRunIsWaitedFor) {
    const Memories m;
    SumList list(m);
    const auto executable = m.opened.impl->compile(list.steps);
    ASSERT_TRUE(executable.ok()) << executable.message();
    for (const float first : {1.0f, 5.0f, 7.0f}) {
        list.in[0] = first;
        ASSERT_TRUE(m.opened.impl->run(**executable, false).ok());
    }
    ASSERT_TRUE(m.finish().ok());
    EXPECT_EQ(list.out[0], 14);
}

TEST_F(VulkanDeviceTest, AProfiledRunTimesEachStep) {
    const Memories m;
    SumList list(m);
    const auto executable = m.opened.impl->compile(list.steps);
    ASSERT_TRUE(executable.ok()) << executable.message();
    ASSERT_TRUE(m.opened.impl->run(**executable, true).ok());
    ASSERT_TRUE(m.finish().ok());
    EXPECT_EQ(list.out[3], 8);
    for (const Step & s : list.steps) EXPECT_EQ(s.runs, 1);
}

TEST_F(VulkanDeviceTest, IsForThoseWhoNameIt) {
    ql_device_options options = options_of();
    options.name = "auto";
    EXPECT_EQ(open(options).code(), QL_UNSUPPORTED);
    EXPECT_EQ(open(options_of(QL_COMPUTE_INT8)).code(), QL_UNSUPPORTED);
    for (const ql_compute compute : {QL_COMPUTE_F32, QL_COMPUTE_BF16}) EXPECT_TRUE(open(options_of(compute)).ok());
}

TEST_F(VulkanDeviceTest, RefusesADeviceThatLacksSomething) {
    const Setting below("below=1");
    const Status refused = open(options_of());
    EXPECT_EQ(refused.code(), QL_UNSUPPORTED);
    EXPECT_NE(refused.message().find("which is needed"), std::string::npos) << refused.message();
}

TEST_F(VulkanDeviceTest, RefusesSettingsThatItDoesNotKnow) {
    const Setting wrong("alloc=x");
    EXPECT_NE(open(options_of()).message().find("'alloc=x' is unknown"), std::string::npos);
}

TEST_F(VulkanDeviceTest, AnAllocationThatFailsIsAnError) {
    for (const int n : {1, 2}) {  // while it is opened
        const Setting fault("alloc=" + std::to_string(n));
        EXPECT_EQ(open(options_of()).code(), QL_NO_MEMORY) << n;
    }
    const Setting fault("alloc=3");
    const OpenDevice opened(backend(), options_of());
    const auto refused = opened.impl->allocate(MemoryKind::device, 4);
    EXPECT_EQ(refused.code(), QL_NO_MEMORY);
    EXPECT_NE(refused.message().find("vkAllocateMemory: out of device memory, for 4 bytes"), std::string::npos);
    const auto given = opened.impl->allocate(MemoryKind::device, 4);
    ASSERT_TRUE(given.ok());
    opened.impl->release(MemoryKind::device, *given, 4);
}

TEST_F(VulkanDeviceTest, KeepsWithinItsBudget) {
    const Setting budget("memory:0=1048576");
    const OpenDevice opened(backend(), options_of());
    const auto refused =
        opened.impl->allocate(MemoryKind::device, size_t{1} << 20);  // the device's tables take some of it
    EXPECT_EQ(refused.code(), QL_NO_MEMORY);
    EXPECT_NE(refused.message().find("of the budget's 1048576 bytes are taken, and 1048576 more are needed"),
              std::string::npos)
        << refused.message();
    for (int i = 0; i < 3; ++i) {  // what is released may be had again
        const auto given = opened.impl->allocate(MemoryKind::device, 800000);
        ASSERT_TRUE(given.ok()) << given.message();
        EXPECT_EQ(opened.impl->allocate(MemoryKind::device, 800000).code(), QL_NO_MEMORY);
        opened.impl->release(MemoryKind::device, *given, 800000);
    }
    const auto pinned = opened.impl->allocate(MemoryKind::pinned, size_t{1} << 20);  // the host's
    ASSERT_TRUE(pinned.ok());
    opened.impl->release(MemoryKind::pinned, *pinned, size_t{1} << 20);
    const Setting other("memory:1=1");
    EXPECT_TRUE(open(options_of()).ok());
}

TEST_F(VulkanDeviceTest, MoreThanAPieceMayHaveIsOutOfMemory) {
    const OpenDevice opened(backend(), options_of());
    EXPECT_EQ(opened.impl->allocate(MemoryKind::device, size_t{1} << 50).code(), QL_NO_MEMORY);
}

TEST_F(VulkanDeviceTest, WorkThatIsRefusedIsAnErrorOfTheNextWaitAlone) {
    const Setting fault("submit=4");  // behind the tables, and the memories' zeros
    const Memories m;
    SumList list(m);
    const auto executable = m.opened.impl->compile(list.steps);
    ASSERT_TRUE(executable.ok()) << executable.message();
    for (const bool ok : {true, false, true}) {
        ASSERT_TRUE(m.opened.impl->run(**executable, false).ok()) << "it is not known yet";
        const Status waited = m.finish();
        EXPECT_EQ(waited.ok(), ok) << waited.message();
    }
    EXPECT_EQ(list.out[3], 8);
}

TEST_F(VulkanDeviceTest, ALostDeviceIsAnErrorFromThenOn) {
    const Setting fault("lost=3");
    const Memories m;
    for (int i = 0; i < 2; ++i) {
        char byte = 0;
        m.copy(m.up(0, &byte, 1));
        const Status waited = m.finish();
        EXPECT_NE(waited.message().find("the device was lost"), std::string::npos) << waited.message();
    }
}

TEST_F(VulkanDeviceTest, AShaderThatDoesNotCompileIsNoKernel) {
    const Setting fault("shader=broadcast");
    const OpenDevice opened(backend(), options_of());
    Graph g;
    const int64_t n = 4;
    Tensor * x = g.leaf(TensorKind::input, "x", QL_F32, 1, &n, nullptr);
    const Node &sum = *ql_add(&g, x, x)->producer, &twice = *ql_scale(&g, x, 2, 0)->producer;
    const auto accepts = [&](const Node & node) {
        return backend().kernels[op_index(node.def)]->accepts(node, *opened.impl);
    };
    EXPECT_EQ(accepts(sum).code(), QL_UNSUPPORTED);
    EXPECT_NE(accepts(sum).message().find("does not compile shader broadcast"), std::string::npos);
    EXPECT_TRUE(accepts(twice).ok());
}

/// Compiled shaders on the disk: used again, and made anew where the file is damaged.
TEST_F(VulkanDeviceTest, ADamagedCacheIsMadeAnew) {
    const test::TemporaryFolder folder;
    const Setting cached("cache=" + folder.path("cache"));
    const auto run_once = [&] {
        const Memories m;
        SumList list(m);
        const auto executable = m.opened.impl->compile(list.steps);
        ASSERT_TRUE(executable.ok()) << executable.message();
        ASSERT_TRUE(m.opened.impl->run(**executable, false).ok());
        ASSERT_TRUE(m.finish().ok());
        EXPECT_EQ(list.out[3], 8);
    };
    const auto file = [&] {
        for (const auto & entry : std::filesystem::directory_iterator(folder.path("cache"))) return entry.path();
        return std::filesystem::path();
    };
    run_once();
    ASSERT_FALSE(file().empty());
    std::vector<char> bytes(std::filesystem::file_size(file()));
    std::ifstream(file(), std::ios::binary).read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    for (const size_t at : {size_t{0}, size_t{9}, bytes.size() - 1}) {
        std::vector<char> damaged = bytes;
        damaged[at] ^= 1;
        std::ofstream(file(), std::ios::binary).write(damaged.data(), static_cast<std::streamsize>(damaged.size()));
        run_once();
        std::vector<char> now(bytes.size());
        std::ifstream(file(), std::ios::binary).read(now.data(), static_cast<std::streamsize>(now.size()));
        EXPECT_NE(now, damaged) << "byte " << at;
    }
}

}  // namespace
}  // namespace ql::vulkan
