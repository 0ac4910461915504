// How many tile instructions attention takes on AMX: the estimates in backends/cpu/attention/*_amx.cpp rest on these
// counts. attention_test.cpp and attention_bf16_test.cpp check its results, as they check those of vectors.
#include <gtest/gtest.h>

#include "cpu/amx_emulated.hpp"
#include "cpu/attention_cases.hpp"
#include "cpu/attention_paths.hpp"

namespace ql::cpu {
namespace {

class AmxAttention : public testing::Test {
  protected:
    void SetUp() override {
        if (!bf16_kernels(best_isa())) GTEST_SKIP() << "no AVX-512 BF16";
    }

    /// The counts of a causal launch.
    static TileCounts count(const OpDef & def, const Case & c, const Kernel & kernel) {
        KernelRun run(def, c);
        int32_t * span = run.ints(run.node().src.size() - 1);
        for (int32_t t = 0; t < kSize.tokens; ++t) span[2 * t] = 0, span[2 * t + 1] = t + 1;
        CpuDevice cpu(Isa::avx512, 2, false);
        tile_counts().take();
        EXPECT_TRUE(run.launch(cpu, kernel).ok());
        return tile_counts().take();
    }

    static void expect(const TileCounts & got, const TileCounts & want) {
        EXPECT_EQ(got.products, want.products);
        EXPECT_EQ(got.loads, want.loads);
        EXPECT_EQ(got.stores, want.stores);
        EXPECT_LE(got.waits, got.products / 100) << "sums do not take turns in four tiles";
    }

    static constexpr AttentionSize kSize{"d64 H9/3 T512", 64, 9, 3, 512, 512};
};

TEST_F(AmxAttention, TakesSoManyTileInstructions) {
    expect(count(op::attention, forward_case(kSize), attention_emulated),
           {.loads = 24672, .products = 19392, .stores = 9984});
}

TEST_F(AmxAttention, GradientsTakeSoManyTileInstructions) {
    expect(count(op::attention_back, back_case(kSize), attention_back_emulated),
           {.loads = 55296, .products = 48576, .stores = 21312});
}

}  // namespace
}  // namespace ql::cpu
