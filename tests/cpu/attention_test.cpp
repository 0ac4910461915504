// Attention and its gradients at sizes where blocks, chunks and tiles all have ends, and where numbers are not finite.
#include <gtest/gtest.h>

#include <cmath>

#include "cpu/kernel_run.hpp"
#include "ggml/ops/params.hpp"

namespace ql::cpu {
namespace {

struct Size {
    const char * name;
    int64_t d, heads, kv, tokens, keys;
};

// Either side of 8 queries (another kernel), of blocks of 64 keys and queries, of chunks of 256, of tiles of 6 rows.
constexpr Size kSizes[] = {
    {"d64 H9/3 T200", 64, 9, 3, 200, 200},      {"d33 H4/2 T150 of 300", 33, 4, 2, 150, 300},
    {"d128 H5/5 T70", 128, 5, 5, 70, 70},       {"d80 H7/1 T65 of 64", 80, 7, 1, 65, 64},
    {"d1 H2/1 T129", 1, 2, 1, 129, 129},        {"d17 H1/1 T9 of 513", 17, 1, 1, 9, 513},
    {"d64 H9/3 T1 of 1000", 64, 9, 3, 1, 1000}, {"d40 H6/2 T8 of 257", 40, 6, 2, 8, 257},
    {"d7 H100/1 T10", 7, 100, 1, 10, 10},
};

Case forward_case(const Size & s) {
    return {s.name,
            {param_in({s.d, s.heads, s.tokens}), param_in({s.d, s.kv, s.keys}), param_in({s.d, s.kv, s.keys}),
             ints_in({2, s.tokens}, Fill::spans, s.keys)},
            AttentionParams{1 / std::sqrt(static_cast<float>(s.d))}};
}

Case back_case(const Size & s) {
    const Shape q(s.d, s.heads, s.tokens), k(s.d, s.kv, s.keys);
    return {s.name,
            {data_in(q), data_in(k), data_in(k), data_in(q), data_in({s.heads, s.tokens}, Fill::positive), data_in(q),
             ints_in({2, s.tokens}, Fill::spans, s.keys)},
            AttentionParams{1 / std::sqrt(static_cast<float>(s.d))}};
}

class Attention : public testing::TestWithParam<Isa> {};

TEST_P(Attention, AgreesWithReferenceWhateverTheThreads) {
    for (const Size & s : kSizes) expect_conforms(op::attention, forward_case(s), GetParam(), 1e-10);
}

TEST_P(Attention, GradientsAgreeWithReferenceWhateverTheThreads) {
    for (const Size & s : kSizes) expect_conforms(op::attention_back, back_case(s), GetParam(), 1e-10);
}

TEST_P(Attention, TakesSpansThatAreNotCausal) {
    for (const Size s : {Size{"windows", 20, 4, 2, 90, 200}, Size{"windows, few", 20, 4, 2, 5, 700}}) {
        KernelRun run(op::attention, forward_case(s)), expected(op::attention, forward_case(s));
        for (int32_t t = 0; t < s.tokens; ++t) {  // backwards, overlapping, beyond both ends, some empty, some reversed
            const auto n = static_cast<int32_t>(s.keys);
            const int32_t begin = (t * 37) % (n + 20) - 10, end = t % 7 == 3 ? begin - 2 : begin + (t * 13) % 100;
            for (KernelRun * r : {&run, &expected}) r->ints(3)[2 * t] = begin, r->ints(3)[2 * t + 1] = end;
        }
        run.launch(GetParam(), 2);
        expected.reference();
        for (const size_t result : {0, 1}) {
            const auto got = run.out(result), want = expected.out(result);
            for (size_t i = 0; i < got.size(); ++i)
                ASSERT_NEAR(got[i], want[i], 1e-5) << s.name << " result " << result << " at " << i;
        }
    }
}

TEST_P(Attention, AnEmptySpanGivesZeros) {
    for (const int64_t tokens : {3, 70}) {
        const Size s{"empty", 16, 2, 1, tokens, 80};
        KernelRun run(op::attention, forward_case(s));
        std::fill_n(run.ints(3), 2 * tokens, 5);
        std::fill_n(run.in(2), run.source(2)->shape.elements(), NAN);
        run.launch(GetParam(), 2);
        for (const size_t result : {0, 1})
            for (const float x : run.out(result)) ASSERT_EQ(x, 0.0f);
    }
}

/// Two packed causal segments; the second starts within a block and within a tile of rows.
void set_segments(int32_t * span, int64_t tokens, int64_t second) {
    for (int64_t t = 0; t < tokens; ++t) {
        span[2 * t] = static_cast<int32_t>(t < second ? 0 : second);
        span[2 * t + 1] = static_cast<int32_t>(t + 1);
    }
}

void poison(KernelRun & run, std::initializer_list<size_t> sources, int64_t from, float value) {
    for (const size_t i : sources) {
        const Shape & s = run.source(i)->shape;
        const int64_t row = s.elements() / s[s[2] > 1 ? 2 : 1], n = s.elements();
        for (int64_t e = from * row; e < n; e += 3) run.in(i)[e] = value;
    }
}

TEST_P(Attention, APoisonedSegmentReachesNoOther) {
    for (const float value : {NAN, INFINITY})
        for (const int64_t second : {67, 100}) {
            const Size s{"poison", 24, 6, 3, 150, 150};
            KernelRun clean(op::attention, forward_case(s)), poisoned(op::attention, forward_case(s));
            for (KernelRun * r : {&clean, &poisoned}) set_segments(r->ints(3), s.tokens, second);
            poison(poisoned, {0, 1, 2}, second, value);
            for (KernelRun * r : {&clean, &poisoned}) r->launch(GetParam(), 2);
            const size_t n = static_cast<size_t>(second * s.heads * s.d);
            const auto a = clean.out(0), b = poisoned.out(0);
            EXPECT_TRUE(same_bits({a.begin(), a.begin() + static_cast<std::ptrdiff_t>(n)},
                                  {b.begin(), b.begin() + static_cast<std::ptrdiff_t>(n)}));
            EXPECT_FALSE(std::isfinite(b.back() + b[n]));
        }
}

TEST_P(Attention, APoisonedSegmentReachesNoGradientOfAnother) {
    for (const float value : {NAN, INFINITY})
        for (const int64_t second : {67, 100}) {
            const Size s{"poison", 24, 6, 3, 150, 150};
            KernelRun clean(op::attention_back, back_case(s)), poisoned(op::attention_back, back_case(s));
            for (KernelRun * r : {&clean, &poisoned}) set_segments(r->ints(6), s.tokens, second);
            poison(poisoned, {0, 1, 2, 3, 4, 5}, second, value);
            for (KernelRun * r : {&clean, &poisoned}) r->launch(GetParam(), 2);
            for (const size_t result : {0, 1, 2}) {
                const auto n = static_cast<std::ptrdiff_t>(second * (result == 0 ? s.heads : s.kv) * s.d);
                const auto a = clean.out(result), b = poisoned.out(result);
                EXPECT_TRUE(same_bits({a.begin(), a.begin() + n}, {b.begin(), b.begin() + n})) << result;
                EXPECT_FALSE(std::isfinite(b.back())) << result;
            }
        }
}

TEST_P(Attention, OneNaNAmongTheValuesReachesJustTheQueriesThatSeeIt) {
    const Size s{"one", 16, 2, 2, 70, 70};
    KernelRun run(op::attention, forward_case(s));
    set_segments(run.ints(3), s.tokens, s.tokens);
    const int64_t key = 41, head = 1, column = 3;
    run.in(2)[(key * s.kv + head) * s.d + column] = NAN;
    run.launch(GetParam(), 1);
    const auto o = run.out(0);
    for (int64_t t = 0; t < s.tokens; ++t)
        for (int64_t h = 0; h < s.heads; ++h)
            for (int64_t i = 0; i < s.d; ++i)
                ASSERT_EQ(std::isnan(o[static_cast<size_t>((t * s.heads + h) * s.d + i)]),
                          t >= key && h == head && i == column)
                    << t << " " << h << " " << i;
}

TEST_P(Attention, HugeScoresDoNotOverflow) {
    for (const int64_t tokens : {2, 70}) {
        const Size s{"huge", 16, 2, 1, tokens, 70};
        KernelRun run(op::attention, forward_case(s)), expected(op::attention, forward_case(s));
        for (KernelRun * r : {&run, &expected}) {
            for (int64_t i = 0; i < r->source(0)->shape.elements(); ++i) r->in(0)[i] *= 1000;
            for (int64_t t = 0; t < tokens; ++t) r->ints(3)[2 * t] = 0, r->ints(3)[2 * t + 1] = 70;
        }
        run.launch(GetParam(), 1);
        expected.reference();
        const auto got = run.out(0), want = expected.out(0);
        for (size_t i = 0; i < got.size(); ++i)
            ASSERT_NEAR(got[i], want[i], 2e-2) << i;  // scores of thousands: f32 rounds them by 1e-4
    }
}

INSTANTIATE_TEST_SUITE_P(Cpu, Attention, testing::ValuesIn(kernel_isas()),
                         [](const auto & info) { return std::string(isa_name(info.param)); });

}  // namespace
}  // namespace ql::cpu
