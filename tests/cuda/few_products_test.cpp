// Products of few tokens read each byte of the weights once, whatever the number of tokens; counted by the emulation.
#include <gtest/gtest.h>

#include "backends/cuda/products/few.cuh"
#include "cuda/emulation.hpp"

namespace ql::cuda {
namespace {

class FewProducts : public Emulation {
  protected:
    using Counts = emu::Counts;
    void SetUp() override {
        if (!kSeesAccesses) GTEST_SKIP() << "the emulation sees no accesses in this build";
        settings("counts=1");
    }
    /// What a product moved. bytes: of the weights, which are zeros.
    template <typename Decoder, int kTokens>
    Counts multiply(int64_t k, int64_t m, int64_t n_tokens, size_t bytes, int lanes) {
        std::vector<int64_t> planes = {k * m / 2, 0, 0};
        FewProduct p{.w = {device(std::vector<uint8_t>(bytes)), k, m, {planes[0], planes[1], planes[2]}},
                     .x = device(std::vector<float>(static_cast<size_t>(k * n_tokens), 1.0f)),
                     .n_tokens = n_tokens,
                     .y = device(std::vector<float>(static_cast<size_t>(m * n_tokens))),
                     .add = nullptr,
                     .scale = 1,
                     .factor = nullptr,
                     .factor_step = 0,
                     .wide = k % Quads<Decoder>::kUnit == 0,
                     .lanes = lanes};
        blocks = static_cast<uint64_t>((m + kFewRows * (kFewThreads / lanes) - 1) / (kFewRows * (kFewThreads / lanes)));
        emu::machine().counted.clear();
        EXPECT_EQ(run(few_kernel<Decoder, kTokens>, static_cast<unsigned>(blocks), kFewThreads,
                      sizeof(FewShared<kTokens>), p),
                  "");
        return emu::machine().counted["kernel"];
    }
    uint64_t blocks = 0;
};

template <typename Decoder, int kTokens>
struct Shape {
    static constexpr int kMost = kTokens;
    using Format = Decoder;
};

TEST_F(FewProducts, ReadEachByteOfTheWeightsOnce) {
    const auto check = [&]<typename Decoder, int kTokens>(Shape<Decoder, kTokens>, uint64_t k, uint64_t m, uint64_t n,
                                                          uint64_t bytes, int lanes) {
        SCOPED_TRACE(std::to_string(Decoder::id) + " n=" + std::to_string(n) + " lanes=" + std::to_string(lanes));
        const auto signed_of = [](uint64_t v) { return static_cast<int64_t>(v); };
        const Counts c = multiply<Decoder, kTokens>(signed_of(k), signed_of(m), signed_of(n), bytes, lanes);
        EXPECT_EQ(c.launches, 1u);
        EXPECT_EQ(c.blocks, blocks);
        EXPECT_EQ(c.mma_lanes, 0u);
        EXPECT_EQ(c.read.by_launch, bytes + 4 * k * n);
        EXPECT_EQ(c.read.by_blocks, bytes + 4 * k * n * blocks);
        EXPECT_EQ(c.written.by_launch, 4 * m * n);
        EXPECT_EQ(c.written.by_threads, 4 * m * n);
    };
    const uint64_t k = 768, m = 37;  // the last block has rows that are not there
    check(Shape<DecodeNf4, 1>(), k, m, 1, k * m / 2 + k * m / 64 * 4, 32);
    check(Shape<DecodeNf4, 4>(), k, m, 3, k * m / 2 + k * m / 64 * 4, 32);
    check(Shape<DecodeNf4, 8>(), k, m, 8, k * m / 2 + k * m / 64 * 4, 128);
    check(Shape<DecodeQ8_0, 1>(), k, m, 1, k * m / 32 * 34, 32);
    check(Shape<DecodeCodes<QL_Q4_0, false, false>, 4>(), k, m, 4, k * m / 32 * 18, 8);
    check(Shape<DecodeCodes<QL_Q5_1, true, true>, 1>(), k, m, 1, k * m / 32 * 24, 32);
    check(Shape<DecodeMxfp4, 1>(), k, m, 1, k * m / 32 * 17, 32);
    check(Shape<DecodeScaledCodes<QL_Q4_K, false>, 1>(), k, m, 1, k * m / 256 * 144, 32);
    check(Shape<DecodeScaledCodes<QL_Q5_K, true>, 1>(), k, m, 1, k * m / 256 * 176, 128);
    check(Shape<DecodeQ6_K, 8>(), k, m, 7, k * m / 256 * 210, 32);
    check(Shape<Plain<QL_F32>, 1>(), k, m, 1, k * m * 4, 128);
    check(Shape<Plain<QL_BF16>, 1>(), 771, m, 1, 771 * m * 2, 32);
}

/// Codes are read once by threads, too: beside them, a scale for each word of codes, and x for each two rows.
TEST_F(FewProducts, AThreadReadsAWordOfCodesThatNoOtherReads) {
    const uint64_t k = 512, m = 40, codes = k * m / 2, scales = codes / 4 * 4;
    const Counts c = multiply<DecodeNf4, 1>(512, 40, 1, codes + k * m / 64 * 4, 32);
    EXPECT_EQ(c.read.by_threads, codes + scales + m / kFewRows * k * 4);
}

TEST_F(FewProducts, HaveTheSameBitsInEveryOrder) {
    const int64_t k = 320, m = 21, n_tokens = 3, codes = k * m / 2;
    std::vector<uint8_t> w(static_cast<size_t>(codes + k * m / 64 * 4));
    for (size_t i = 0; i < w.size(); ++i) w[i] = static_cast<uint8_t>(i * 37 >> 2);
    for (auto at = static_cast<size_t>(codes); at < w.size(); at += 4) w[at + 3] = 0x3f;  // scales about 1
    std::vector<float> x(static_cast<size_t>(k * n_tokens));
    for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * i % 97) / 31 - 1;
    std::vector<float> by_four;
    for (const int lanes : {4, 32, kFewThreads}) {
        std::vector<float> want;
        for (int seed = 1; seed <= 6; ++seed) {
            settings("seed=" + std::to_string(seed));
            FewProduct p{.w = {device(w), k, m, {codes, 0, 0}},
                         .x = device(x),
                         .n_tokens = n_tokens,
                         .y = device(std::vector<float>(static_cast<size_t>(m * n_tokens), NAN)),
                         .add = nullptr,
                         .scale = 0.5f,
                         .factor = nullptr,
                         .factor_step = 0,
                         .wide = true,
                         .lanes = lanes};
            ASSERT_EQ(run(few_kernel<DecodeNf4, 4>, 11, kFewThreads, sizeof(FewShared<4>), p), "");
            const auto got = host(p.y, static_cast<size_t>(m * n_tokens));
            if (want.empty()) want = got;
            EXPECT_EQ(0, std::memcmp(got.data(), want.data(), got.size() * sizeof(float))) << lanes << " " << seed;
        }
        if (by_four.empty()) by_four = want;
        for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(want[i], by_four[i], 1e-3) << lanes << " " << i;
    }
}

TEST_F(FewProducts, LanesFollowFromTheShape) {
    EXPECT_EQ(few_lanes(1, 4096), 1);
    EXPECT_EQ(few_lanes(3, 4096), 4);
    EXPECT_EQ(few_lanes(4096, 4096), 32);
    EXPECT_EQ(few_lanes(255, 16), 32);
    EXPECT_EQ(few_lanes(256, 16), kFewThreads);
}

}  // namespace
}  // namespace ql::cuda
