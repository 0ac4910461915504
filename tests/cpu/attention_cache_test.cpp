// Attention over a cache of f16: the kernels give what they give for the same numbers in f32, bit by bit.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "cpu/attention_cases.hpp"
#include "cpu/attention_paths.hpp"
#include "ggml/dtypes/half.hpp"
#include "support/conformance.hpp"

namespace ql::cpu {
namespace {

using Size = AttentionSize;

// Few queries and many; both sides of chunks of 256 keys; groups of more rows than share a key; tails of vectors.
constexpr Size kSizes[] = {
    {"d64 H9/3 T1 of 600", 64, 9, 3, 1, 600},   {"d33 H10/2 T8 of 257", 33, 10, 2, 8, 257},
    {"d128 H7/1 T2 of 256", 128, 7, 1, 2, 256}, {"d80 H4/4 T3 of 70", 80, 4, 4, 3, 70},
    {"d1 H6/1 T1 of 3", 1, 6, 1, 1, 3},         {"d7 H8/1 T5 of 519", 7, 8, 1, 5, 519},
    {"d64 H9/3 T70 of 200", 64, 9, 3, 70, 200}, {"d33 H4/2 T9 of 90", 33, 4, 2, 9, 90},
};

class AttentionCache : public testing::TestWithParam<AttentionPath> {
  protected:
    static void launch(KernelRun & run, int threads) {
        CpuDevice cpu = GetParam().device(threads);
        const Status status = run.launch(cpu, GetParam().kernel(op::attention));
        ASSERT_TRUE(status.ok()) << status.message();
    }
    static uint16_t * half(KernelRun & run, size_t i) {
        return static_cast<uint16_t *>(run.memory.data(run.source(i)));
    }
    /// Queries, ranges and the cache's numbers, as f32.
    static void take(KernelRun & to, KernelRun & cached) {
        std::copy_n(cached.in(0), to.source(0)->shape.elements(), to.in(0));
        std::copy_n(cached.ints(3), to.source(3)->shape.elements(), to.ints(3));
        for (const size_t i : {1, 2})
            std::transform(half(cached, i), half(cached, i) + to.source(i)->shape.elements(), to.in(i),
                           [](uint16_t bits) { return f16_to_f32(bits); });
    }
};

TEST_P(AttentionCache, GivesTheBitsOfTheSameNumbersInF32WhateverTheThreads) {
    for (const Size & s : kSizes)
        for (const int threads : {1, 2, 3, 8}) {
            SCOPED_TRACE(s.name + (", threads: " + std::to_string(threads)));
            KernelRun cached(op::attention, cached_case(s)), wide(op::attention, forward_case(s));
            take(wide, cached);
            launch(cached, threads);
            launch(wide, 1);
            for (const size_t i : {0, 1}) EXPECT_TRUE(same_bits(cached.out(i), wide.out(i))) << i;
        }
}

TEST_P(AttentionCache, AgreesWithReference) {
    for (const Size & s : kSizes) {
        if (GetParam().bf16 && s.d < 8) continue;  // nothing averages out what bf16 rounds
        KernelRun run(op::attention, cached_case(s)), expected(op::attention, cached_case(s));
        launch(run, 2);
        expected.reference();
        for (const size_t i : {0, 1}) {
            const auto want = expected.out(i);
            EXPECT_LE(test::nmse(run.out(i), {want.begin(), want.end()}), GetParam().bf16 ? 2e-5 : 1e-10) << s.name;
        }
    }
}

/// A sliding window has left those blocks behind: they are not read, whatever they hold; only the window takes time.
TEST_P(AttentionCache, WhatLiesInTheBlocksBeforeTheFirstKeyThatIsSeenReachesNobody) {
    for (const int64_t tokens : {1, 70}) {
        const Size s{"before", 40, 6, 2, tokens, 500};
        KernelRun clean(op::attention, cached_case(s)), dirty(op::attention, cached_case(s));
        for (KernelRun * r : {&clean, &dirty})
            for (int32_t t = 0; t < tokens; ++t) r->ints(3)[2 * t] = 333 + t, r->ints(3)[2 * t + 1] = 400 + t;
        for (const size_t i : {1, 2}) std::fill_n(half(dirty, i), 320 * s.kv * s.d, uint16_t{0x7e00});  // NaN
        for (KernelRun * r : {&clean, &dirty}) launch(*r, 2);
        for (const size_t i : {0, 1}) EXPECT_TRUE(same_bits(clean.out(i), dirty.out(i))) << tokens;
    }
}

/// A cache is longer than what it holds, and what a longer text left there may be anything.
TEST_P(AttentionCache, WhatLiesBehindTheLastKeyThatIsSeenReachesNobody) {
    for (const int64_t tokens : {1, 70}) {
        const Size s{"behind", 40, 6, 2, tokens, 300};
        KernelRun clean(op::attention, cached_case(s)), dirty(op::attention, cached_case(s));
        for (KernelRun * r : {&clean, &dirty})
            for (int32_t t = 0; t < tokens; ++t) r->ints(3)[2 * t] = 0, r->ints(3)[2 * t + 1] = 150 - t;
        for (const size_t i : {1, 2})
            std::fill_n(half(dirty, i) + 150 * s.kv * s.d, 150 * s.kv * s.d, uint16_t{0x7e00});  // NaN
        for (KernelRun * r : {&clean, &dirty}) launch(*r, 2);
        for (const size_t i : {0, 1}) EXPECT_TRUE(same_bits(clean.out(i), dirty.out(i))) << tokens;
    }
}

/// What kv_store could not round to f16.
TEST_P(AttentionCache, ANaNReachesEveryQueryThatSeesItsKeyAndNoOther) {
    for (const int64_t tokens : {8, 70})
        for (const size_t source : {1, 2}) {
            const Size s{"NaN", 24, 4, 2, tokens, 100};
            KernelRun run(op::attention, cached_case(s));
            for (int32_t t = 0; t < tokens; ++t) run.ints(3)[2 * t] = 0, run.ints(3)[2 * t + 1] = t + 20;
            half(run, source)[(23 * s.kv + 1) * s.d + 5] = 0x7e00;
            launch(run, 2);
            const auto o = run.out(0);
            for (int64_t t = 0; t < tokens; ++t)
                for (int64_t h = 0; h < s.heads; ++h)
                    for (int64_t i = source == 2 ? 5 : 0; i < (source == 2 ? 6 : s.d); ++i)
                        ASSERT_EQ(std::isnan(o[static_cast<size_t>((t * s.heads + h) * s.d + i)]),
                                  t + 20 > 23 && h >= s.heads / s.kv)
                            << tokens << " source " << source << " query " << t << " head " << h;
        }
}

INSTANTIATE_TEST_SUITE_P(Cpu, AttentionCache, testing::ValuesIn(attention_paths()),
                         [](const auto & info) { return std::string(info.param.name); });

}  // namespace
}  // namespace ql::cpu
