// What the emulation counts of a product on tensor cores is what the formula says, with its arithmetic and without.
#include <gtest/gtest.h>

#include "backends/cuda/formats/nf4.cuh"
#include "backends/cuda/products/kernels.cuh"
#include "cuda/emulation.hpp"

namespace ql::cuda {
namespace {

class CountedProduct : public Emulation {
  protected:
    template <bool transposed>
    emu::Counts multiply(int64_t k, int64_t m, int64_t n_tokens) {
        const int64_t rows = transposed ? k : m, depth = transposed ? m : k;
        const Product p{.w = {device(std::vector<uint8_t>(static_cast<size_t>(k * m / 2 + k * m / 64 * 4))),
                              k,
                              m,
                              {k * m / 2, 0, 0}},
                        .dtype = QL_NF4,
                        .transposed = transposed,
                        .x = device(std::vector<float>(static_cast<size_t>(depth * n_tokens))),
                        .n_tokens = n_tokens,
                        .y = device(std::vector<float>(static_cast<size_t>(rows * n_tokens)))};
        emu::machine().counted.clear();
        EXPECT_EQ(run(product_kernel<DecodeNf4, transposed, kSmallBlock>,
                      dim3(blocks_of(rows, kTile), blocks_of(n_tokens, kSmallBlock)), kProductThreads,
                      sizeof(ProductTiles<kSmallBlock>), p),
                  "");
        return emu::machine().counted["kernel"];
    }
};

TEST_F(CountedProduct, IsTheFormulas) {
    if (!kSeesAccesses) GTEST_SKIP() << "the emulation sees no accesses in this build";
    const uint64_t k = 192, m = 100, n = 40, weights = k * m / 2 + k * m / 64 * 4;
    for (const char * how : {"counts=1", "counts=2"}) {
        SCOPED_TRACE(how);
        settings(how);
        const emu::Counts c = multiply<false>(192, 100, 40);
        const uint64_t row_tiles = 2, token_tiles = 2, depth_tiles = 3;
        EXPECT_EQ(c.launches, 1u);
        EXPECT_EQ(c.blocks, row_tiles * token_tiles);
        EXPECT_EQ(c.read.by_launch, weights + 4 * k * n);
        EXPECT_EQ(c.read.by_blocks, weights * token_tiles + 4 * k * n * row_tiles) << "W again for each 32 tokens";
        EXPECT_EQ(c.written.by_launch, 4 * m * n);
        EXPECT_EQ(c.written.by_threads, 4 * m * n);
        // A block multiplies 64 x 64 by 64 x 32 in products of 16 x 16 by 16 x 8, each by 32 lanes.
        EXPECT_EQ(c.mma_lanes, row_tiles * token_tiles * depth_tiles * (4 * 4 * 4) * 32);
        EXPECT_EQ(c.matrix_passes, c.matrices) << "rows of a matrix lie in the same banks";
        const emu::Counts back = multiply<true>(192, 100, 40);
        EXPECT_EQ(back.read.by_launch, weights + 4 * m * n);
        EXPECT_EQ(back.written.by_launch, 4 * k * n);
        EXPECT_EQ(back.mma_lanes, 3 * token_tiles * 2 * (4 * 4 * 4) * 32);
    }
}

struct alignas(16) Words {
    uint32_t w[32][36];
};
/// Reads four matrices of rows that are `pitch` words apart.
__global__ void read_matrices(int pitch, uint32_t * out) {
    auto & s = shared_memory<Words>();
    uint32_t * words = &s.w[0][0];
    for (int i = static_cast<int>(threadIdx.x); i < 32 * 36; i += 32) words[i] = static_cast<uint32_t>(i);
    __syncthreads();
    uint32_t r[4];
    load_matrices(r, words + static_cast<int>(threadIdx.x) * pitch);
    out[threadIdx.x] = r[0];
}

class CountedMatrices : public Emulation {};

TEST_F(CountedMatrices, PassesAreMoreWhereRowsLieInTheSameBanks) {
    settings("counts=1");
    uint32_t * out = device(std::vector<uint32_t>(32));
    const std::pair<int, uint64_t> all[] = {{36, 4}, {12, 4}, {4, 4}, {8, 8}, {16, 16}, {32, 32}, {0, 4}};
    for (const auto & [pitch, passes] : all) {
        emu::machine().counted.clear();
        ASSERT_EQ(run(read_matrices, 1, 32, sizeof(Words), pitch, out), "");
        EXPECT_EQ(emu::machine().counted["kernel"].matrices, 4u);
        EXPECT_EQ(emu::machine().counted["kernel"].matrix_passes, passes) << pitch;
    }
}

}  // namespace
}  // namespace ql::cuda
