// The emulation of CUDA: what kernels may rely on, and that each of its checks finds the kernel that is wrong.
#include <gtest/gtest.h>

#include <algorithm>

#include "cuda/emulation.hpp"
#include "ggml/dtypes/half.hpp"

namespace ql::cuda {
namespace {

// Blocks, barriers, warps.

struct Numbers {
    float x[256];
};

__global__ void reverse(const float * x, float * y) {
    Numbers & s = shared_memory<Numbers>();
    const unsigned i = threadIdx.x, n = blockDim.x, first = blockIdx.x * n;
    s.x[i] = x[first + i];
    __syncthreads();
    y[first + i] = s.x[n - 1 - i];
}

TEST_F(Emulation, RunsBlocksOfThreadsWithBarriers) {
    std::vector<float> x(3 * 200);
    for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i);
    const float * in = device(x);
    float * out = device(std::vector<float>(x.size()));
    ASSERT_EQ(run(reverse, 3, 200, sizeof(Numbers), in, out), "");
    const auto y = host(out, x.size());
    for (size_t i = 0; i < x.size(); ++i) ASSERT_EQ(y[i], x[i / 200 * 200 + 199 - i % 200]) << i;
}

__global__ void warp_words(int * out) {
    const int lane = static_cast<int>(threadIdx.x);
    const int down = __shfl_down_sync(~0u, lane, 3);
    const int swapped = __shfl_xor_sync(~0u, lane, 5);
    const int of_seven = __shfl_sync(~0u, 10 * lane, 7);
    const uint32_t even = __ballot_sync(~0u, lane % 2 == 0);
    out[4 * lane] = down, out[4 * lane + 1] = swapped, out[4 * lane + 2] = of_seven;
    out[4 * lane + 3] = static_cast<int>(even);
}

TEST_F(Emulation, ShufflesAndVotes) {
    int * out = device(std::vector<int>(128));
    ASSERT_EQ(run(warp_words, 1, 32, 0, out), "");
    const auto got = host(out, 128);
    for (int l = 0; l < 32; ++l) {
        const auto at = static_cast<size_t>(4 * l);
        EXPECT_EQ(got[at], l < 29 ? l + 3 : l);
        EXPECT_EQ(got[at + 1], l ^ 5);
        EXPECT_EQ(got[at + 2], 70);
        EXPECT_EQ(got[at + 3], 0x55555555);
    }
}

// Tensor cores. A [16, 16], B [16, 8] given as its columns.

struct alignas(16) Tiles {
    uint16_t a[16][24], b[8][24];
};

template <bool f16, bool transposed>
__global__ void product(const uint16_t * a, const uint16_t * b, float * d) {
    Tiles & s = shared_memory<Tiles>();
    const int lane = static_cast<int>(threadIdx.x);
    for (int i = lane; i < 256; i += 32) s.a[transposed ? i % 16 : i / 16][transposed ? i / 16 : i % 16] = a[i];
    for (int i = lane; i < 128; i += 32) s.b[i / 16][i % 16] = b[i];
    __syncwarp();
    uint32_t fa[4], fb[4];
    if (transposed)  // rows of the stored matrix are columns of A
        load_matrices_transposed(fa, &s.a[lane % 8 + lane / 16 * 8][lane / 8 % 2 * 8]);
    else
        load_matrices(fa, &s.a[lane % 16][lane / 16 * 8]);
    load_matrices(fb, &s.b[lane % 8][lane / 8 % 2 * 8]);
    float sum[4] = {1, 1, 1, 1};
    if (f16)
        mma_f16(sum, fa, fb);
    else
        mma_bf16(sum, fa, fb);
    for (int i = 0; i < 4; ++i) d[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = sum[i];
}

TEST_F(Emulation, MultipliesFragmentsAsPtxLaysThemOut) {
    for (const bool f16 : {false, true})
        for (const bool transposed : {false, true}) {
            std::vector<float> a(256), b(128);
            for (size_t i = 0; i < a.size(); ++i) a[i] = static_cast<float>(static_cast<int>(i * 37 % 19) - 9) / 4;
            for (size_t i = 0; i < b.size(); ++i) b[i] = static_cast<float>(static_cast<int>(i * 23 % 17) - 8) / 2;
            const auto packed = [&](const std::vector<float> & v) {
                std::vector<uint16_t> p(v.size());
                std::transform(v.begin(), v.end(), p.begin(),
                               [&](float x) { return f16 ? f32_to_f16(x) : f32_to_bf16(x); });
                return p;
            };
            const uint16_t *da = device(packed(a)), *db = device(packed(b));
            float * out = device(std::vector<float>(128));
            const auto kernel = f16 ? (transposed ? product<true, true> : product<true, false>)
                                    : (transposed ? product<false, true> : product<false, false>);
            ASSERT_EQ(run(kernel, 1, 32, sizeof(Tiles), da, db, out), "");
            const auto d = host(out, 128);
            for (size_t i = 0; i < 16; ++i)
                for (size_t j = 0; j < 8; ++j) {
                    float want = 1;
                    for (size_t k = 0; k < 16; ++k) want += a[i * 16 + k] * b[j * 16 + k];
                    EXPECT_EQ(d[i * 8 + j], want) << i << ", " << j << (f16 ? " f16" : " bf16") << transposed;
                }
        }
}

__global__ void unaligned_rows(float * d) {
    Tiles & s = shared_memory<Tiles>();
    for (unsigned i = threadIdx.x; i < 16 * 24; i += 32) s.a[i / 24][i % 24] = 0;
    __syncwarp();
    uint32_t r[4];
    load_matrices(r, &s.a[0][0] + threadIdx.x);
    d[threadIdx.x] = static_cast<float>(r[0]);
}

TEST_F(Emulation, FindsRowsOfMatricesThatAreNotAligned) {
    float * d = device(std::vector<float>(32));
    EXPECT_FOUND(run(unaligned_rows, 1, 32, sizeof(Tiles), d), "not aligned to 16");
}

// Copies on their own.

struct alignas(16) Two {
    float x[2][32 * 4];
};

/// How many groups are waited for, of two.
template <int kLeft>
__global__ void copied(const float * x, float * y) {
    Two & s = shared_memory<Two>();
    const unsigned i = threadIdx.x * 4;
    for (int half = 0; half < 2; ++half) {
        copy_async(&s.x[half][i], x + half * 128 + i);
        commit_copies();
    }
    wait_for_copies<kLeft>();
    __syncthreads();
    y[threadIdx.x] = s.x[0][127 - threadIdx.x] + (kLeft == 0 ? s.x[1][threadIdx.x] : 0);
    wait_for_copies<0>();
}

TEST_F(Emulation, CopiesArriveWhenTheyAreWaitedFor) {
    std::vector<float> x(256);
    for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i);
    const float * in = device(x);
    float * out = device(std::vector<float>(32));
    ASSERT_EQ(run(copied<0>, 1, 32, sizeof(Two), in, out), "");
    EXPECT_EQ(host(out, 32)[3], x[124] + x[131]);
    ASSERT_EQ(run(copied<1>, 1, 32, sizeof(Two), in, out), "");
    EXPECT_EQ(host(out, 32)[3], x[124]);
}

__global__ void too_early(const float * x, float * y) {
    Two & s = shared_memory<Two>();
    copy_async(&s.x[0][threadIdx.x * 4], x + threadIdx.x * 4);
    commit_copies();
    const float early = s.x[0][threadIdx.x * 4];
    wait_for_copies<0>();
    y[threadIdx.x] = early;
}

/// Waits for the first of two groups, and reads the second.
__global__ void later_group(const float * x, float * y) {
    Two & s = shared_memory<Two>();
    for (int half = 0; half < 2; ++half) {
        copy_async(&s.x[half][threadIdx.x * 4], x + threadIdx.x * 4);
        commit_copies();
    }
    wait_for_copies<1>();
    const float early = s.x[1][threadIdx.x * 4];
    wait_for_copies<0>();
    y[threadIdx.x] = early;
}

TEST_F(Emulation, FindsACopyThatIsReadTooEarly) {
    const float * in = device(std::vector<float>(128, 1.0f));
    float * out = device(std::vector<float>(32));
    for (const auto kernel : {too_early, later_group}) {
        settings("");
        const std::string report = run(kernel, 1, 32, sizeof(Two), in, out);
        if (kSeesAccesses)
            EXPECT_FOUND(report, "cp.async is still copying");
        else
            EXPECT_TRUE(std::isnan(host(out, 32)[0])) << "the bytes come later";
    }
}

__global__ void no_barrier_after_copy(const float * x, float * y) {
    Two & s = shared_memory<Two>();
    copy_async(&s.x[0][threadIdx.x * 4], x + threadIdx.x * 4);
    commit_copies();
    wait_for_copies<0>();
    y[threadIdx.x] = s.x[0][127 - threadIdx.x * 4];
}

__global__ void never_waits(const float * x) {
    copy_async(&shared_memory<Two>().x[0][threadIdx.x * 4], x + threadIdx.x * 4);
    commit_copies();
}

TEST_F(Emulation, FindsACopyThatOthersReadWithoutABarrier) {
    if (!kSeesAccesses) GTEST_SKIP() << "this build does not see accesses";
    const float * in = device(std::vector<float>(128, 1.0f));
    float * out = device(std::vector<float>(32));
    EXPECT_FOUND(run(no_barrier_after_copy, 1, 32, sizeof(Two), in, out), "written it");
}

TEST_F(Emulation, FindsACopyThatNobodyWaitsFor) {
    const float * in = device(std::vector<float>(128, 1.0f));
    EXPECT_FOUND(run(never_waits, 1, 32, sizeof(Two), in), "ended while cp.async");
}

// Races.

enum class Mistake { none, no_barrier, read_then_write, warp_without_sync, warp_with_sync, nobody_wrote };

template <Mistake mistake>
__global__ void shared_race(float * y) {
    Numbers & s = shared_memory<Numbers>();
    const unsigned i = threadIdx.x, n = blockDim.x;
    if (mistake != Mistake::nobody_wrote) s.x[i] = static_cast<float>(i);
    const bool by_warp = mistake == Mistake::warp_with_sync || mistake == Mistake::warp_without_sync;
    if (mistake == Mistake::warp_with_sync) __syncwarp();
    if (mistake != Mistake::no_barrier && !by_warp) __syncthreads();
    const float other = s.x[by_warp ? i ^ 1 : n - 1 - i];
    if (mistake == Mistake::read_then_write) s.x[i] = other;
    y[blockIdx.x * n + i] = other;
}

/// Even lanes write, and the odd lanes beside them read, which run after them here.
template <bool sync>
__global__ void handed_over(float * y) {
    Numbers & s = shared_memory<Numbers>();
    const unsigned i = threadIdx.x;
    s.x[i] = 0;
    __syncthreads();
    if (i % 2 == 0) s.x[i] = 1;
    if (sync) __syncwarp();
    if (i % 2 == 1) y[i] = s.x[i - 1];
}

TEST_F(Emulation, FindsRacesInSharedMemory) {
    if (!kSeesAccesses) GTEST_SKIP() << "this build does not see accesses";
    const auto report = [&](auto kernel) {
        settings("");
        return run(kernel, 2, 64, sizeof(Numbers), device(std::vector<float>(128)));
    };
    EXPECT_EQ(report(shared_race<Mistake::none>), "");
    EXPECT_EQ(report(shared_race<Mistake::warp_with_sync>), "");
    // The thread that reads may run before the one that writes, or after it: both are found.
    EXPECT_FOUND(report(shared_race<Mistake::no_barrier>), "written it");
    EXPECT_FOUND(report(shared_race<Mistake::read_then_write>), "since the last barrier");
    EXPECT_FOUND(report(shared_race<Mistake::warp_without_sync>), "written it");
    EXPECT_FOUND(report(shared_race<Mistake::nobody_wrote>), "nobody has written it yet");
    settings("");
    EXPECT_FOUND(run(handed_over<false>, 1, 64, sizeof(Numbers), device(std::vector<float>(64))),
                 "since the last barrier");
    settings("");
    EXPECT_EQ(run(handed_over<true>, 1, 64, sizeof(Numbers), device(std::vector<float>(64))), "");
}

/// Blocks that write one number; that read what another writes; that write what another reads; that do neither.
template <int kind>
__global__ void blocks_race(float * y) {
    const unsigned b = blockIdx.x, n = gridDim.x;
    if (kind == 0) y[0] = 1;
    if (kind == 1) y[b] = 1 + y[(b + 1) % n];
    if (kind == 2 && b > 0) y[n + b] = y[0];
    if (kind == 2 && b == 0) y[0] = 2;
    if (kind == 3) y[n + b] = y[b];
}

TEST_F(Emulation, FindsRacesBetweenBlocks) {
    if (!kSeesAccesses) GTEST_SKIP() << "this build does not see accesses";
    for (const char * seed : {"seed=1", "seed=2", "seed=3"}) {
        const auto report = [&](auto kernel) {
            settings(seed);
            return run(kernel, 4, 1, 0, device(std::vector<float>(8)));
        };
        for (const auto kernel : {blocks_race<0>, blocks_race<1>, blocks_race<2>})
            EXPECT_FOUND(report(kernel), "another block");
        EXPECT_EQ(report(blocks_race<3>), "");
    }
}

// Addresses.

__global__ void write_at(float * y, int at) {
    y[at] = 1;
}
__global__ void read_at(const float * x, float * y) {
    *y = *x;
}
__global__ void write_shared(int at) {
    shared_memory<Numbers>().x[at] = 1;
}

TEST_F(Emulation, FindsAddressesThatAreNobodys) {
    if (!kSeesAccesses) GTEST_SKIP() << "this build does not see accesses";
    EXPECT_FOUND(run(write_at, 1, 1, 0, device(std::vector<float>(5)), 5), "no allocation holds it");
    settings("");
    EXPECT_FOUND(run(write_at, 1, 1, 0, device(std::vector<float>(5)), -1), "no allocation holds it");
    settings("");
    const std::vector<float> on_host(1);
    EXPECT_FOUND(run(read_at, 1, 1, 0, on_host.data(), device(std::vector<float>(1))), "no memory of the device");
    settings("");
    auto * odd = reinterpret_cast<float *>(reinterpret_cast<char *>(device(std::vector<float>(2))) + 2);
    EXPECT_FOUND(run(write_at, 1, 1, 0, odd, 0), "not aligned");
    settings("");
    EXPECT_FOUND(run(write_shared, 1, 1, 4, 256), "no memory of the device");
}

TEST_F(Emulation, TheHostCannotTouchTheCardsMemory) {
    float * y = device(std::vector<float>(5));
    EXPECT_DEATH({ *y = 1; }, "");
}

// Threads that never meet.

__global__ void half_at_barrier() {
    if (threadIdx.x < 16)
        __syncthreads();
    else
        __shfl_sync(~0u, 1, 0);
}
__global__ void lane_ends_early(int * y) {
    if (threadIdx.x == 3) return;
    *y = static_cast<int>(__ballot_sync(~0u, 1));
}

TEST_F(Emulation, FindsThreadsThatWaitForEver) {
    EXPECT_FOUND(run(half_at_barrier, 1, 32, 0), "wait for others that never come");
    settings("");
    EXPECT_FOUND(run(lane_ends_early, 1, 32, 0, device(std::vector<int>(1))), "in __ballot_sync");
}

__global__ void reads_absent_lane() {
    __shfl_sync(~0u, 1, 20);
}

TEST_F(Emulation, FindsAShuffleFromALaneThatIsNotThere) {
    EXPECT_FOUND(run(reads_absent_lane, 1, 16, 0), "takes no part");
}

}  // namespace
}  // namespace ql::cuda
