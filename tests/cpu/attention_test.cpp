// Attention and its gradients at sizes where blocks, chunks and tiles all have ends, and where numbers are not finite.
#include <gtest/gtest.h>

#include <algorithm>
#include <cfloat>
#include <cmath>

#include "cpu/attention_cases.hpp"
#include "cpu/attention_paths.hpp"
#include "cpu/larger_cases.hpp"
#include "support/conformance.hpp"

namespace ql::cpu {
namespace {

using Size = AttentionSize;

// Both sides of 8 queries (another kernel), of blocks of 64 keys and queries, of chunks of 256, of tiles of 6 rows.
constexpr Size kSizes[] = {
    {"d64 H9/3 T200", 64, 9, 3, 200, 200},      {"d33 H4/2 T150 of 300", 33, 4, 2, 150, 300},
    {"d128 H5/5 T70", 128, 5, 5, 70, 70},       {"d80 H7/1 T65 of 64", 80, 7, 1, 65, 64},
    {"d1 H2/1 T129", 1, 2, 1, 129, 129},        {"d17 H1/1 T9 of 513", 17, 1, 1, 9, 513},
    {"d64 H9/3 T1 of 1000", 64, 9, 3, 1, 1000}, {"d40 H6/2 T8 of 257", 40, 6, 2, 8, 257},
    {"d7 H100/1 T10", 7, 100, 1, 10, 10},
};

using Path = AttentionPath;

std::vector<Path> paths() {
    std::vector<Path> list = attention_paths_bf16();
    for (const Isa isa : kernel_isas()) list.push_back({isa_name(isa), isa, false});
    return list;
}

/// The reference in f64 of a case.
struct Reference {
    test::CaseGraph graph;
    test::ReferenceRun<double> run;

    Reference(const OpDef & def, const Case & c) : graph(def, c, 1), run(graph.graph) { run.fill(graph, 1); }
    const Node & node() const { return *graph.out->producer; }
    std::vector<double> out(size_t i) { return run.values(node().out[i]); }
    /// The inputs of a kernel's run.
    void take(KernelRun & from) {
        for (size_t i = 0; i < node().src.size(); ++i) {
            const Operand * to = node().src[i];
            if (to->dtype == QL_F32)
                std::copy_n(from.in(i), to->shape.elements(), run.reals(to));
            else
                std::memcpy(run.data(to), from.memory.data(from.source(i)), to->bytes());
        }
    }
};

class Attention : public testing::TestWithParam<Path> {
  protected:
    static void launch(KernelRun & run, int threads = 2) {
        CpuDevice cpu = GetParam().device(threads);
        const Status status = run.launch(cpu, GetParam().kernel(*run.node().def));
        ASSERT_TRUE(status.ok()) << status.message();
    }

    /// A score's roundings average out little in a head of a few numbers (2.3e-5), and not at all in a head of one
    /// (up to 6e-4 over ten seeds).
    static double limit(int64_t d = 64) {
        if (!GetParam().bf16) return 1e-10;
        return d == 1 ? 1e-3 : d < 8 ? 4e-5 : 2e-5;
    }

    static void expect_close(const std::vector<float> & got, const std::vector<double> & want, const std::string & what,
                             double most = limit()) {
        EXPECT_LE(test::nmse(got, want), most) << what;
    }
    static void expect_close(KernelRun & run, const Case & c) {
        Reference reference(*run.node().def, c);
        reference.take(run);
        reference.run.run();
        for (size_t i = 0; i < run.node().out.size(); ++i)
            expect_close(run.out(i), reference.out(i), c.name + (" result " + std::to_string(i)),
                         limit(c.in[0].shape[0]));
    }

    static void conforms(const OpDef & def, const Case & c) {
        SCOPED_TRACE(std::string(def.name) + " " + c.name);
        KernelRun one(def, c);
        launch(one, 1);
        expect_close(one, c);
        for (const int threads : {2, 3, 8}) {
            KernelRun several(def, c);
            launch(several, threads);
            for (size_t i = 0; i < one.node().out.size(); ++i)
                EXPECT_TRUE(same_bits(several.out(i), one.out(i))) << "result " << i << ", " << threads << " threads";
        }
    }

    /// Compares the first n numbers of a poisoned launch and a clean one. Products of bf16 leave poisoned launches to
    /// those of f32.
    static void expect_untouched(const std::vector<float> & clean, const std::vector<float> & poisoned, int64_t n) {
        const auto end = static_cast<std::ptrdiff_t>(n);
        const std::vector<float> a(clean.begin(), clean.begin() + end), b(poisoned.begin(), poisoned.begin() + end);
        if (GetParam().bf16)
            EXPECT_LE(test::nmse(b, {a.begin(), a.end()}), 2e-5);
        else
            EXPECT_TRUE(same_bits(a, b));
    }
};

TEST_P(Attention, AgreesWithReferenceWhateverTheThreads) {
    for (const Size & s : kSizes) conforms(op::attention, forward_case(s));
}

TEST_P(Attention, GradientsAgreeWithReferenceWhateverTheThreads) {
    for (const Size & s : kSizes) conforms(op::attention_back, back_case(s));
}

/// The cases by which every backend is checked.
TEST_P(Attention, AgreesWithReferenceOnTheOperatorsCases) {
    for (const OpDef * def : {&op::attention, &op::attention_back})
        for (const auto & list : {def->cases(), larger_cases(*def)})
            for (const Case & c : list) {
                KernelRun run(*def, c);
                // With a soft cap the row takes the kernel of f32, whatever the device has.
                if (GetParam().bf16 && run.node().params.as<AttentionParams>().cap != 0) continue;
                Reference reference(*def, c);
                reference.run.run();
                launch(run);
                for (size_t i = 0; i < run.node().out.size(); ++i)
                    expect_close(run.out(i), reference.out(i), c.name, limit(c.in[0].shape[0]));
            }
}

/// As in a model: the backward kernel gets the o and lse that the forward kernel gave. Errors of bf16 that both kernels
/// share must cancel, as where a query sees one key and no gradient flows.
TEST_P(Attention, GradientsThroughBothKernelsAgreeWithReference) {
    for (const Size & s : {Size{"d64 H9/3 T200", 64, 9, 3, 200, 200}, Size{"d33 H4/2 T150", 33, 4, 2, 150, 150},
                           Size{"d128 H5/5 T70", 128, 5, 5, 70, 70}, Size{"d80 H7/1 T65", 80, 7, 1, 65, 65}}) {
        const Case forward = forward_case(s), back = back_case(s);
        KernelRun run(op::attention, forward), gradients(op::attention_back, back);
        Reference exact(op::attention, forward), exact_gradients(op::attention_back, back);
        for (int32_t t = 0; t < s.tokens; ++t) run.ints(3)[2 * t] = 0, run.ints(3)[2 * t + 1] = t + 1;
        for (size_t i = 0; i < 3; ++i) std::copy_n(run.in(i), run.source(i)->shape.elements(), gradients.in(i));
        std::copy_n(run.ints(3), 2 * s.tokens, gradients.ints(6));
        exact.take(run);
        exact_gradients.take(gradients);
        exact.run.run();
        launch(run);
        for (size_t i : {0, 1}) {
            std::ranges::copy(run.out(i), gradients.in(3 + i));
            std::ranges::copy(exact.out(i), exact_gradients.run.reals(exact_gradients.node().src[3 + i]));
        }
        exact_gradients.run.run();
        launch(gradients);
        for (const size_t i : {0, 1}) expect_close(run.out(i), exact.out(i), s.name);
        for (const size_t i : {0, 1, 2}) expect_close(gradients.out(i), exact_gradients.out(i), s.name);
    }
}

/// Overlapping windows, beyond both ends, some empty, some reversed.
void set_windows(int32_t * span, const Size & s) {
    for (int32_t t = 0; t < s.tokens; ++t) {
        const int32_t begin = (t * 37) % (static_cast<int32_t>(s.keys) + 20) - 10;
        span[2 * t] = begin;
        span[2 * t + 1] = t % 7 == 3 ? begin - 2 : begin + (t * 13) % 100;
    }
}

TEST_P(Attention, TakesSpansThatAreNotCausal) {
    for (const Size & s : {Size{"windows", 20, 4, 2, 90, 200}, Size{"windows, few", 20, 4, 2, 5, 700}}) {
        KernelRun run(op::attention, forward_case(s)), back(op::attention_back, back_case(s));
        set_windows(run.ints(3), s);
        set_windows(back.ints(6), s);
        launch(run);
        launch(back);
        expect_close(run, forward_case(s));
        expect_close(back, back_case(s));
    }
}

/// Rows of a tile whose first keys lie in different blocks of keys, and whose largest score comes last: what a row has
/// summed so far has to be scaled down by 2^-10 and more.
TEST_P(Attention, ScoresThatGrowAlongTheKeysAreRescaled) {
    const Size s{"growing", 32, 3, 1, 40, 400};
    const Case c = forward_case(s);
    KernelRun run(op::attention, c);
    std::fill_n(run.in(0), run.source(0)->shape.elements(), 1.0f);
    for (int64_t j = 0; j < s.keys; ++j) std::fill_n(run.in(1) + j * s.d, s.d, 0.0625f * static_cast<float>(j / 16));
    for (int32_t t = 0; t < s.tokens; ++t) run.ints(3)[2 * t] = 7 * t, run.ints(3)[2 * t + 1] = 400 - t;
    launch(run);
    Reference reference(op::attention, c);
    reference.take(run);
    reference.run.run();
    // Equal numbers in a key are rounded alike, so their errors add up.
    for (const size_t i : {0, 1}) expect_close(run.out(i), reference.out(i), c.name, GetParam().bf16 ? 1e-3 : 1e-10);
}

TEST_P(Attention, AnEmptySpanGivesZeros) {
    for (const int64_t tokens : {3, 70}) {
        const Size s{"empty", 16, 2, 1, tokens, 80};
        KernelRun run(op::attention, forward_case(s));
        std::fill_n(run.ints(3), 2 * tokens, 5);
        std::fill_n(run.in(2), run.source(2)->shape.elements(), NAN);
        launch(run);
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
            for (KernelRun * r : {&clean, &poisoned}) launch(*r);
            const int64_t n = second * s.heads * s.d;
            const auto b = poisoned.out(0);
            expect_untouched(clean.out(0), b, n);
            EXPECT_FALSE(std::isfinite(b.back() + b[static_cast<size_t>(n)]));
        }
}

TEST_P(Attention, APoisonedSegmentReachesNoGradientOfAnother) {
    for (const float value : {NAN, INFINITY})
        for (const int64_t second : {67, 100}) {
            const Size s{"poison", 24, 6, 3, 150, 150};
            KernelRun clean(op::attention_back, back_case(s)), poisoned(op::attention_back, back_case(s));
            for (KernelRun * r : {&clean, &poisoned}) set_segments(r->ints(6), s.tokens, second);
            poison(poisoned, {0, 1, 2, 3, 4, 5}, second, value);
            for (KernelRun * r : {&clean, &poisoned}) launch(*r);
            for (const size_t result : {0, 1, 2}) {
                SCOPED_TRACE(result);
                const auto b = poisoned.out(result);
                expect_untouched(clean.out(result), b, second * (result == 0 ? s.heads : s.kv) * s.d);
                EXPECT_FALSE(std::isfinite(b.back()));
            }
        }
}

TEST_P(Attention, OneNaNAmongTheValuesReachesJustTheQueriesThatSeeIt) {
    const Size s{"one", 16, 2, 2, 70, 70};
    KernelRun run(op::attention, forward_case(s));
    set_segments(run.ints(3), s.tokens, s.tokens);
    const int64_t key = 41, head = 1, column = 3;
    run.in(2)[(key * s.kv + head) * s.d + column] = NAN;
    launch(run, 1);
    const auto o = run.out(0);
    for (int64_t t = 0; t < s.tokens; ++t)
        for (int64_t h = 0; h < s.heads; ++h)
            for (int64_t i = 0; i < s.d; ++i)
                ASSERT_EQ(std::isnan(o[static_cast<size_t>((t * s.heads + h) * s.d + i)]),
                          t >= key && h == head && i == column)
                    << t << " " << h << " " << i;
}

TEST_P(Attention, APoisonedQueryLosesItsOwnRowsAlone) {
    const Size s{"query", 40, 6, 2, 70, 200};
    for (const float scale : {1.0f, 1000.0f}) {  // large scores: sums of the neighbouring rows are rescaled
        KernelRun clean(op::attention, forward_case(s)), poisoned(op::attention, forward_case(s));
        const int64_t row = (31 * s.heads + 4) * s.d;
        for (KernelRun * r : {&clean, &poisoned}) {
            for (int64_t i = 0; i < r->source(0)->shape.elements(); ++i) r->in(0)[i] *= scale;
            set_segments(r->ints(3), s.tokens, s.tokens);
            for (int32_t t = 0; t < s.tokens; ++t) r->ints(3)[2 * t + 1] += 130;
        }
        poisoned.in(0)[row + 7] = NAN;
        for (KernelRun * r : {&clean, &poisoned}) launch(*r);
        auto a = clean.out(0), b = poisoned.out(0);
        for (int64_t i = row; i < row + s.d; ++i) {
            EXPECT_TRUE(std::isnan(b[static_cast<size_t>(i)])) << i;
            b[static_cast<size_t>(i)] = a[static_cast<size_t>(i)];
        }
        EXPECT_TRUE(same_bits(a, b)) << scale;
    }
}

/// The only key's probability is 1 whatever the score; do . v and do . o cancel, even where both are rounded.
TEST_P(Attention, NoGradientFlowsToTheScoreOfAnOnlyKey) {
    const Size s{"only", 64, 6, 2, 70, 70};
    KernelRun run(op::attention, forward_case(s)), back(op::attention_back, back_case(s));
    for (int32_t t = 0; t < s.tokens; ++t)
        for (int32_t * span : {run.ints(3), back.ints(6)}) span[2 * t] = 69 - t, span[2 * t + 1] = 70 - t;
    for (size_t i = 0; i < 3; ++i) std::copy_n(back.in(i), run.source(i)->shape.elements(), run.in(i));
    launch(run);
    for (const size_t i : {0, 1}) std::ranges::copy(run.out(i), back.in(3 + i));
    launch(back);
    for (const size_t i : {0, 1})
        for (const float x : back.out(i)) ASSERT_NEAR(x, 0, 1e-4) << i;
}

/// The largest numbers are infinite in bf16.
TEST_P(Attention, LargeNumbersThatNobodySeesReachNobody) {
    const Size s{"large", 16, 2, 2, 70, 70};
    KernelRun run(op::attention, forward_case(s)), back(op::attention_back, back_case(s));
    for (int32_t t = 0; t < s.tokens; ++t)
        for (int32_t * span : {run.ints(3), back.ints(6)}) span[2 * t] = 0, span[2 * t + 1] = 50;
    for (KernelRun * r : {&run, &back})
        for (const size_t source : {1, 2})
            std::fill_n(r->in(source) + 60 * s.kv * s.d, 10 * s.kv * s.d,
                        r == &run || source == 1 ? FLT_MAX : -FLT_MAX);
    launch(run);
    launch(back);
    expect_close(run, forward_case(s));
    expect_close(back, back_case(s));
}

TEST_P(Attention, HugeScoresDoNotOverflow) {
    for (const int64_t tokens : {2, 70}) {
        const Size s{"huge", 16, 2, 1, tokens, 70};
        KernelRun run(op::attention, forward_case(s)), expected(op::attention, forward_case(s));
        for (KernelRun * r : {&run, &expected}) {
            for (int64_t i = 0; i < r->source(0)->shape.elements(); ++i) r->in(0)[i] *= 1000;
            for (int64_t t = 0; t < tokens; ++t) r->ints(3)[2 * t] = 0, r->ints(3)[2 * t + 1] = 70;
        }
        launch(run, 1);
        expected.reference();
        const auto got = run.out(0), want = expected.out(0);
        // Scores of thousands: f32 rounds them by 1e-4, bf16 by several, which may favour a key other than the largest.
        if (GetParam().bf16 && tokens > 8) {
            const float * v = run.in(2);
            for (size_t i = 0; i < got.size(); ++i) {
                float low = INFINITY, high = -INFINITY;
                for (int64_t j = 0; j < s.keys; ++j) {
                    const float x = v[j * s.d + static_cast<int64_t>(i) % s.d];
                    low = std::min(low, x), high = std::max(high, x);
                }
                ASSERT_TRUE(got[i] >= low - 0.01f && got[i] <= high + 0.01f) << i;
            }
            continue;
        }
        for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], want[i], 2e-2) << i;
    }
}

INSTANTIATE_TEST_SUITE_P(Cpu, Attention, testing::ValuesIn(paths()),
                         [](const auto & info) { return std::string(info.param.name); });

}  // namespace
}  // namespace ql::cpu
