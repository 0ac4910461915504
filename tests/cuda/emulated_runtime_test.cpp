// The emulation of CUDA's runtime: what streams and events promise and what they do not, faults on request, and what a card
// refuses.
#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "cuda/emulation.hpp"

namespace ql::cuda {
namespace {

class EmulatedRuntime : public Emulation {};

__global__ void add_one(float * y) {
    y[blockIdx.x] += 1;
}

TEST_F(EmulatedRuntime, LaunchesOnAStreamAreOrdered) {
    float * y = device(std::vector<float>(4));
    for (int i = 0; i < 3; ++i) ASSERT_EQ(run(add_one, 4, 1, 0, y), "");
    EXPECT_EQ(host(y, 4), std::vector<float>(4, 3.0f));
}

// Streams and events.

/// What a stream reads where another is to write 1, in any order; with `wait` it waits for the other.
std::set<float> seen_in_any_order(bool wait) {
    std::set<float> seen;
    for (int seed = 1; seed <= 20; ++seed) {
        setenv("QL_CUDA_EMU", ("seed=" + std::to_string(seed)).c_str(), 1);
        EXPECT_EQ(emu::reset(), "");
        cudaStream_t first, second;
        cudaEvent_t written;
        void * y = nullptr;
        cudaStreamCreateWithFlags(&first, cudaStreamNonBlocking);
        cudaStreamCreateWithFlags(&second, cudaStreamNonBlocking);
        cudaEventCreateWithFlags(&written, cudaEventDisableTiming);
        cudaMalloc(&y, 4);
        cudaMemsetAsync(y, 0, 4, first);
        cudaStreamSynchronize(first);
        EXPECT_EQ(start("add_one", add_one, 1, 1, 0, first, static_cast<float *>(y)), cudaSuccess);
        cudaEventRecord(written, first);
        if (wait) cudaStreamWaitEvent(second, written, 0);
        float got = -1;
        cudaMemcpyAsync(&got, y, 4, cudaMemcpyDefault, second);
        cudaStreamSynchronize(second);
        EXPECT_EQ(cudaEventSynchronize(written), cudaSuccess);
        EXPECT_EQ(cudaEventQuery(written), cudaSuccess);
        seen.insert(got);
        cudaFree(y);
        cudaEventDestroy(written);
        cudaStreamDestroy(first);
        cudaStreamDestroy(second);
    }
    return seen;
}

TEST_F(EmulatedRuntime, StreamsRunOutOfOrderUnlessOneWaits) {
    EXPECT_EQ(seen_in_any_order(false), (std::set<float>{0, 1}));
    EXPECT_EQ(seen_in_any_order(true), std::set<float>{1});
}

TEST_F(EmulatedRuntime, WorkMayBeginOnlyWhenSomebodyWaits) {
    settings("delay=100");
    float value = 1, back = 0;
    float * y = device(std::vector<float>(1));
    cudaMemcpyAsync(y, &value, 4, cudaMemcpyDefault, stream);
    value = 2;
    cudaMemcpyAsync(&back, y, 4, cudaMemcpyDefault, stream);
    EXPECT_EQ(back, 0);
    EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
    EXPECT_EQ(back, 2);
}

// Faults on request, and what a card refuses.

TEST_F(EmulatedRuntime, FailsWhereItIsToldTo) {
    void * p = nullptr;
    settings("alloc=2");
    EXPECT_EQ(cudaMalloc(&p, 4), cudaSuccess);
    cudaFree(p);
    EXPECT_EQ(cudaMalloc(&p, 4), cudaErrorMemoryAllocation);
    settings("launch=2");
    float * y = device(std::vector<float>(4));
    EXPECT_EQ(start("k", add_one, 1, 1, 0, stream, y), cudaSuccess);
    EXPECT_EQ(start("k", add_one, 1, 1, 0, stream, y), cudaErrorLaunchOutOfResources);
    EXPECT_EQ(start("k", add_one, 1, 1, 0, stream, y), cudaSuccess) << "that was no error of the context";
    settings("copy=1");
    float x = 0;
    EXPECT_EQ(cudaMemcpyAsync(&x, y, 4, cudaMemcpyDefault, stream), cudaSuccess) << "it is not known yet";
    EXPECT_EQ(cudaStreamSynchronize(stream), cudaErrorECCUncorrectable);
    EXPECT_EQ(cudaStreamSynchronize(stream), cudaErrorECCUncorrectable) << "the context stays broken";
    settings("lost=1");
    EXPECT_EQ(start("k", add_one, 1, 1, 0, stream, y), cudaErrorUnknown);
    EXPECT_EQ(cudaMalloc(&p, 4), cudaErrorUnknown);
}

TEST_F(EmulatedRuntime, RemembersTheLastErrorOfAThread) {
    settings("alloc=1,delay=100");
    void * p = nullptr;
    EXPECT_EQ(cudaMalloc(&p, 4), cudaErrorMemoryAllocation);
    EXPECT_EQ(cudaMalloc(&p, 4), cudaSuccess) << "which forgets nothing";
    std::thread([] { EXPECT_EQ(cudaGetLastError(), cudaSuccess); }).join();
    EXPECT_EQ(cudaGetLastError(), cudaErrorMemoryAllocation);
    EXPECT_EQ(cudaGetLastError(), cudaSuccess);
    cudaEvent_t event;
    cudaEventCreateWithFlags(&event, cudaEventDisableTiming);
    cudaMemsetAsync(p, 0, 4, stream);
    cudaEventRecord(event, stream);
    EXPECT_EQ(cudaEventQuery(event), cudaErrorNotReady);
    EXPECT_EQ(cudaGetLastError(), cudaErrorNotReady);
    cudaEventDestroy(event);
    cudaFree(p);
}

TEST_F(EmulatedRuntime, ALaunchHasNoOtherCallsError) {
    float * y = device(std::vector<float>(1));
    settings("alloc=1");
    void * p = nullptr;
    EXPECT_EQ(cudaMallocHost(&p, 4), cudaErrorMemoryAllocation);
    EXPECT_EQ(run(add_one, 1, 1, 0, y), "");
    EXPECT_EQ(cudaGetLastError(), cudaSuccess);
}

TEST_F(EmulatedRuntime, RefusesWhatACardRefuses) {
    float * y = device(std::vector<float>(4));
    EXPECT_EQ(start("k", add_one, 0, 1, 0, stream, y), cudaErrorInvalidConfiguration);
    EXPECT_EQ(start("k", add_one, 1, 1025, 0, stream, y), cudaErrorInvalidConfiguration);
    EXPECT_EQ(start("k", add_one, 1, 1, 100 << 10, stream, y), cudaErrorInvalidValue)
        << "more shared memory than there is";
    EXPECT_EQ(start("k", add_one, 1, 1, 99 << 10, stream, y), cudaSuccess);
    EXPECT_EQ(cudaMemcpyAsync(y + 3, y, 8, cudaMemcpyDefault, stream), cudaErrorInvalidValue);
    EXPECT_EQ(cudaFree(y + 1), cudaErrorInvalidValue);
    settings("memory=1");
    void * p = nullptr;
    EXPECT_EQ(cudaMalloc(&p, (1 << 20) + 1), cudaErrorMemoryAllocation);
    settings("driver=2");
    int count = 7;
    EXPECT_EQ(cudaGetDeviceCount(&count), cudaErrorInsufficientDriver);
    EXPECT_EQ(count, 7) << "as without a driver: the count is as the caller had it";
    setenv("QL_CUDA_EMU", "sed=1", 1);
    EXPECT_FOUND(emu::reset(), "'sed=1' is not understood");
}

}  // namespace
}  // namespace ql::cuda
