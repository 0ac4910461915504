// A test's emulated card: its settings, a stream, and memory that is freed with the test.
#pragma once
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "backends/cuda/launch.cuh"

namespace ql::cuda {

#ifdef __SANITIZE_THREAD__
inline constexpr bool kSeesAccesses = true;
#else
inline constexpr bool kSeesAccesses = false;  // a sanitizer is in the way: cuda.cmake
#endif

/// The emulation under some settings, a stream, and memory that is freed with it.
class Emulation : public testing::Test {
  protected:
    void SetUp() override { settings(""); }
    void TearDown() override {
        for (void * p : memory_) cudaFree(p);
        cudaStreamDestroy(stream);
        settings("");
    }
    void settings(const std::string & text) {
        setenv("QL_CUDA_EMU", text.c_str(), 1);
        EXPECT_EQ(emu::reset(), "");
        if (stream) return;
        EXPECT_EQ(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), cudaSuccess);
    }
    template <typename T>
    T * device(const std::vector<T> & values) {
        void * p = nullptr;
        EXPECT_EQ(cudaMalloc(&p, values.size() * sizeof(T)), cudaSuccess);
        memory_.push_back(p);
        EXPECT_EQ(cudaMemcpyAsync(p, values.data(), values.size() * sizeof(T), cudaMemcpyDefault, stream), cudaSuccess);
        EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
        return static_cast<T *>(p);
    }
    template <typename T>
    std::vector<T> host(const T * p, size_t n) {
        std::vector<T> v(n);
        EXPECT_EQ(cudaMemcpyAsync(v.data(), p, n * sizeof(T), cudaMemcpyDefault, stream), cudaSuccess);
        EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
        return v;
    }
    /// Runs a kernel to its end; returns what was wrong with it.
    template <typename... P>
    std::string run(void (*kernel)(P...), dim3 blocks, dim3 threads, size_t shared, std::type_identity_t<P>... p) {
        EXPECT_EQ(start("kernel", kernel, blocks, threads, shared, stream, p...), cudaSuccess);
        return cudaStreamSynchronize(stream) == cudaSuccess ? "" : emu::last_report();
    }

    cudaStream_t stream = nullptr;

  private:
    std::vector<void *> memory_;
};

}  // namespace ql::cuda

#define EXPECT_FOUND(report, words) EXPECT_NE((report).find(words), std::string::npos) << (report)
