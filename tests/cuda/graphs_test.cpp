// Graphs: what the emulation promises of them, and that a list of steps that is run again becomes one launch.
#include <gtest/gtest.h>

#include <set>

#include "backends/cuda/device.hpp"
#include "cuda/emulation.hpp"

namespace ql::cuda {
namespace {

class EmulatedGraphs : public Emulation {
  protected:
    void SetUp() override {
        Emulation::SetUp();
        EXPECT_EQ(cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking), cudaSuccess);
        EXPECT_EQ(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), cudaSuccess);
        EXPECT_EQ(cudaEventCreateWithFlags(&joined, cudaEventDisableTiming), cudaSuccess);
    }
    void TearDown() override {
        cudaEventDestroy(event);
        cudaEventDestroy(joined);
        cudaStreamDestroy(other);
        Emulation::TearDown();
    }
    void begin() { EXPECT_EQ(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed), cudaSuccess); }
    void fork() {
        EXPECT_EQ(cudaEventRecord(event, stream), cudaSuccess);
        EXPECT_EQ(cudaStreamWaitEvent(other, event, 0), cudaSuccess);
    }
    void join() {
        EXPECT_EQ(cudaEventRecord(joined, other), cudaSuccess);
        EXPECT_EQ(cudaStreamWaitEvent(stream, joined, 0), cudaSuccess);
    }
    cudaGraphExec_t end() {
        cudaGraph_t graph = nullptr;
        cudaGraphExec_t exec = nullptr;
        EXPECT_EQ(cudaStreamEndCapture(stream, &graph), cudaSuccess);
        EXPECT_EQ(cudaGraphInstantiate(&exec, graph, 0), cudaSuccess);
        EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
        return exec;
    }

    cudaStream_t other = nullptr;
    cudaEvent_t event = nullptr, joined = nullptr;
};

TEST_F(EmulatedGraphs, WorkIsRecordedAndDoneWithEachLaunch) {
    const float one = 1;
    float back = 0;
    float * y = device(std::vector<float>(1));
    begin();
    float from = one;
    EXPECT_EQ(cudaMemcpyAsync(y, &from, 4, cudaMemcpyDefault, stream), cudaSuccess);
    EXPECT_EQ(cudaMemcpyAsync(&back, y, 4, cudaMemcpyDefault, stream), cudaSuccess);
    cudaGraphExec_t exec = end();
    EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
    EXPECT_EQ(back, 0) << "recorded, not done";
    for (const float value : {3.0f, 4.0f}) {
        from = value;
        EXPECT_EQ(cudaGraphLaunch(exec, stream), cudaSuccess);
        EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
        EXPECT_EQ(back, value);
    }
    EXPECT_EQ(cudaGraphExecDestroy(exec), cudaSuccess);
}

TEST_F(EmulatedGraphs, NodesAreDoneInAnyOrderThatEdgesAllow) {
    for (const bool joins : {false, true}) {
        std::set<float> seen;
        for (int seed = 1; seed <= 20; ++seed) {
            settings("seed=" + std::to_string(seed));
            float * y = device(std::vector<float>(1, 0.0f));
            const float one = 1;
            float got = -1;
            begin();
            fork();
            cudaMemcpyAsync(y, &one, 4, cudaMemcpyDefault, other);
            if (joins) join();
            cudaMemcpyAsync(&got, y, 4, cudaMemcpyDefault, stream);
            if (!joins) join();
            cudaGraphExec_t exec = end();
            EXPECT_EQ(cudaGraphLaunch(exec, stream), cudaSuccess);
            EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
            cudaGraphExecDestroy(exec);
            seen.insert(got);
        }
        EXPECT_EQ(seen, joins ? std::set<float>{1} : (std::set<float>{0, 1}));
    }
}

TEST_F(EmulatedGraphs, RefusesWhatCudaRefuses) {
    float x = 0;
    float * y = device(std::vector<float>(1));
    cudaGraph_t graph = nullptr;
    EXPECT_EQ(cudaStreamEndCapture(stream, &graph), cudaErrorIllegalState);
    begin();
    EXPECT_EQ(cudaStreamSynchronize(stream), cudaErrorStreamCaptureUnsupported);
    EXPECT_EQ(cudaEventRecord(joined, other), cudaSuccess);
    EXPECT_EQ(cudaStreamWaitEvent(stream, joined, 0), cudaErrorStreamCaptureIsolation) << "of no capture";
    fork();
    cudaMemcpyAsync(&x, y, 4, cudaMemcpyDefault, other);
    EXPECT_EQ(cudaStreamEndCapture(stream, &graph), cudaErrorStreamCaptureUnjoined);
    EXPECT_EQ(graph, nullptr);
    EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess) << "the capture is over";
}

// A device's lists of steps.

__global__ void add_one(float * y) {
    y[0] += 1;
}

const Kernel kAddOne = {.launch = [](const Launch & l) -> Status {
    return check(start("add_one", add_one, 1, 1, 0, device_of(l).stream(), l.y(0)), "add_one");
}};

class CapturedLists : public Emulation {
  protected:
    void SetUp() override {
        Emulation::SetUp();
        ASSERT_TRUE(CudaDevice::open(0, false, card).ok());
        for (float *& y : ys) y = device(std::vector<float>(1, 0.0f));
        operand.shape = Shape(1);
        node.out = {&operand};
    }
    void TearDown() override {
        executable.reset();
        card.reset();
        Emulation::TearDown();
    }
    void add_kernel(float * y) {
        Step & step = steps.emplace_back();
        step.node = &node, step.kernel = &kAddOne, step.out = {y};
    }
    void compile() {
        auto compiled = card->compile(steps);
        ASSERT_TRUE(compiled.ok());
        executable = std::move(*compiled);
    }
    std::string run_list(bool profile = false) {
        (void)card->run(*executable, profile);
        return card->finish(card->now(Queue::compute)).message();
    }
    emu::Calls calls_of_a_run() {
        const emu::Calls before = emu::calls();
        EXPECT_EQ(run_list(), "");
        const emu::Calls after = emu::calls();
        return {after.launches - before.launches, after.copies - before.copies, after.graphs - before.graphs};
    }
    static void expect_calls(const emu::Calls & got, uint64_t launches, uint64_t copies, uint64_t graphs) {
        EXPECT_EQ(got.launches, launches);
        EXPECT_EQ(got.copies, copies);
        EXPECT_EQ(got.graphs, graphs);
    }

    std::unique_ptr<DeviceImpl> card;
    std::unique_ptr<Executable> executable;
    std::vector<Step> steps;
    Operand operand;
    Node node;
    float * ys[2] = {};
};

TEST_F(CapturedLists, ARunIsOneLaunchAfterTheFirstTwo) {
    for (int i = 0; i < 5; ++i) add_kernel(ys[i % 2]);
    compile();
    expect_calls(calls_of_a_run(), 5, 0, 0);
    expect_calls(calls_of_a_run(), 5, 0, 1);  // recorded, and launched
    expect_calls(calls_of_a_run(), 0, 0, 1);
    expect_calls(calls_of_a_run(), 0, 0, 1);
    EXPECT_EQ(host(ys[0], 1)[0], 12);
    EXPECT_EQ(host(ys[1], 1)[0], 8);
}

TEST_F(CapturedLists, AnotherAddressOrSizeIsCapturedAgain) {
    add_kernel(ys[0]);
    compile();
    for (int i = 0; i < 3; ++i) (void)calls_of_a_run();
    steps[0].out[0] = ys[1];
    expect_calls(calls_of_a_run(), 1, 0, 0);
    expect_calls(calls_of_a_run(), 1, 0, 1);
    expect_calls(calls_of_a_run(), 0, 0, 1);
    operand.shape = Shape(2);
    expect_calls(calls_of_a_run(), 1, 0, 0);
    EXPECT_EQ(host(ys[0], 1)[0], 3);
    EXPECT_EQ(host(ys[1], 1)[0], 4);
}

TEST_F(CapturedLists, AProfiledRunIsNoGraph) {
    add_kernel(ys[0]);
    compile();
    for (int i = 0; i < 3; ++i) (void)calls_of_a_run();
    const emu::Calls before = emu::calls();
    EXPECT_EQ(run_list(true), "");
    EXPECT_EQ(emu::calls().graphs, before.graphs);
    EXPECT_EQ(steps[0].runs, 1);
}

/// Copies are nodes, too: the list's end is both queues' end, in every order.
TEST_F(CapturedLists, CopiesAreNodes) {
    for (int seed = 1; seed <= 10; ++seed) {
        settings("seed=" + std::to_string(seed) + ",delay=60");
        const auto pinned = card->allocate(MemoryKind::pinned, 8);
        ASSERT_TRUE(pinned.ok());
        auto * numbers = static_cast<float *>(*pinned);
        steps.clear();
        Step & in = steps.emplace_back();
        in.copy = {ys[0], numbers, 4, MemoryKind::device, MemoryKind::pinned};
        in.queue = Queue::copy;
        add_kernel(ys[0]);
        steps[1].after = {0};
        Step & back = steps.emplace_back();
        back.copy = {numbers + 1, ys[0], 4, MemoryKind::pinned, MemoryKind::device};
        back.queue = Queue::copy;
        back.after = {1};
        compile();
        for (int run = 0; run < 4; ++run) {
            numbers[0] = static_cast<float>(run);
            expect_calls(calls_of_a_run(), run < 2, run < 2 ? 2 : 0, run > 0);
            EXPECT_EQ(numbers[1], static_cast<float>(run + 1));
        }
        executable.reset();
        card->release(MemoryKind::pinned, numbers, 8);
    }
}

/// CUDA stages memory that is not pinned; what it would read at a launch is nothing to rely on.
TEST_F(CapturedLists, MemoryThatIsNotPinnedIsNotCaptured) {
    float number = 1;
    steps.emplace_back().copy = {ys[0], &number, 4, MemoryKind::device, MemoryKind::host};
    steps.back().queue = Queue::copy;
    compile();
    for (int i = 0; i < 3; ++i) expect_calls(calls_of_a_run(), 0, 1, 0);
}

TEST_F(CapturedLists, FaultsAtCaptureAndAtLaunchAreLines) {
    for (const auto & [fault, words] :
         {std::pair("launch=1", "cuda: add_one: cudaErrorLaunchOutOfResources: add_one: a launch was made to fail"),
          {"launch=2", "cuda: cudaGraphLaunch: cudaErrorLaunchOutOfResources: a graph: a launch was made to fail"},
          {"alloc=1", "cuda: cudaGraphInstantiate: cudaErrorMemoryAllocation"},
          {"lost=2", "cuda: cudaGraphLaunch: cudaErrorUnknown: the card was lost"}}) {
        SCOPED_TRACE(fault);
        settings("");
        steps.clear();
        add_kernel(ys[0]);
        compile();
        EXPECT_EQ(run_list(), "");
        settings(fault);
        EXPECT_EQ(run_list(), words);
        settings("");
        EXPECT_EQ(run_list(), "") << "the next run goes on";
        executable.reset();
    }
}

}  // namespace
}  // namespace ql::cuda
