// Operators that stream: sizes of several pieces with odd ends, and what they promise about special values.
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "cpu/kernel_run.hpp"
#include "ggml/ops/blockwise_state.hpp"
#include "ggml/ops/params.hpp"
#include "ql/ops.h"
#include "ql/optim.h"

namespace ql::cpu {
namespace {

class Streaming : public testing::TestWithParam<Isa> {
  protected:
    /// Against the reference, and the same bits for any number of threads.
    void expect_agrees(const OpDef & def, const Case & c) { expect_conforms(def, c, GetParam(), 1e-11); }
};

TEST_P(Streaming, LargeSizesAgreeWithReferenceWhateverTheThreads) {
    const Shape x(577, 131), heads(66, 5, 300);
    expect_agrees(op::add, {"large", {data_in(x), data_in(x)}, {}});
    expect_agrees(op::add, {"large row", {data_in(x), data_in(577)}, {}});
    expect_agrees(op::accumulate, {"large", {state_in(x), data_in(x)}, {}});
    expect_agrees(op::zero, {"large", {state_in(x)}, {}});
    expect_agrees(op::rms_norm, {"large", {data_in(x), frozen_in(577)}, RmsNormParams{1e-5f}});
    expect_agrees(op::rms_norm, {"wide", {data_in({20001, 3}), frozen_in(20001)}, RmsNormParams{1e-5f}});
    expect_agrees(op::rms_norm_back, {"large", {data_in(x), frozen_in(577), data_in(x)}, RmsNormParams{1e-5f}});
    expect_agrees(op::rms_norm_back,
                  {"narrow", {data_in({15, 3001}), frozen_in(15), data_in({15, 3001})}, RmsNormParams{1e-5f}});
    expect_agrees(op::swiglu, {"large", {data_in(x), data_in(x)}, {}});
    expect_agrees(op::swiglu_back, {"large", {data_in(x), data_in(x), data_in(x)}, {}});
    for (const int32_t mode : {QL_ROPE_NORMAL, QL_ROPE_NEOX})
        for (const int32_t inverse : {0, 1})
            expect_agrees(op::rope, {"large", {data_in(heads), data_in({62, 300})}, RopeParams{mode, inverse}});
    expect_agrees(op::rope_table, {"large", {ints_in(1000, Fill::positions)}, RopeTableParams{62, 10000, 1, 1}});
    expect_agrees(op::kv_store,
                  {"large", {state_in({577, 200}), data_in({577, 131}), ints_in(131, Fill::distinct, 200)}, {}});
    expect_agrees(
        op::kv_store,
        {"large", {cache_in({577, 200}, QL_F16), data_in({577, 131}), ints_in(131, Fill::distinct, 200)}, {}});
    expect_agrees(op::global_norm, {"large", {data_in(x), data_in(1), data_in({16384, 2}), data_in({3, 5})}, {}});
    expect_agrees(op::adamw, {"large",
                              {param_in(x), data_in(x), state_in(x, Fill::small), state_in(x, Fill::positive),
                               data_in(1, Fill::positive), data_in(QL_HYPER_N, Fill::hyper)},
                              OptimizerParams{2}});
    expect_agrees(op::sgd, optimizer_case("large", x, {state_in(x, Fill::small)}, 2));
}

/// A sign or a code hangs on the last bit of a number: it is the same on every instruction set.
TEST_P(Streaming, OptimizersThatChooseHaveTheReferencesBits) {
    for (const Shape & x : {Shape(1), Shape(255), Shape(257), Shape(577, 131), Shape(256, 129)}) {
        const CaseInput m = state_in(x, Fill::small), codes = codes_in(x), absmax = absmax_in(x);
        const std::pair<const OpDef *, Case> steps[] = {
            {&op::lion, optimizer_case("bits", x, {m}, 2)},
            {&op::lion8bit, optimizer_case("bits", x, {codes, absmax}, 2)},
            {&op::adamw8bit, optimizer_case("bits", x, {codes, absmax, codes, absmax}, 2)}};
        for (const auto & [def, c] : steps) {
            KernelRun expected(*def, c);
            expected.reference();
            for (const int threads : {1, 2, 3, 8}) {
                KernelRun run(*def, c);
                run.launch(GetParam(), threads);
                for (size_t i = 0; i < run.node().out.size(); ++i)
                    EXPECT_TRUE(same_bits(run.out(i), expected.out(i)))
                        << def->name << " result " << i << " of " << x.str() << ", " << threads << " threads";
            }
        }
    }
}

/// With b1 = b2 = 0 the first moment is the gradient, the second its square: every point of both maps' grids is reached.
TEST_P(Streaming, StatesOf8BitsAreEncodedAsTheReferenceDoesOnTheWholeGrid) {
    constexpr int64_t kPoints = 65536, kBlocks = kPoints / 255 + 1;
    const Shape x(256, kBlocks);
    const Case c = optimizer_case("grid", x, {codes_in(x), absmax_in(x), codes_in(x), absmax_in(x)});
    const auto spread = [&](KernelRun & run, bool squares) {
        for (int64_t i = 0; i < 256 * kBlocks; ++i) {
            const int64_t point = std::min(kPoints - 1, i / 256 * 255 + i % 256 - 1);
            const double p = 2.0 * static_cast<double>(point) / 65535 - 1;
            run.in(1)[i] = i % 256 == 0 ? 1 : static_cast<float>(squares ? std::sqrt(std::abs(p)) : p);
        }
        const float hyper[QL_HYPER_N] = {1e-3f, 0, 0, 1e-8f, 0, 1, 1, 0};
        std::copy_n(hyper, QL_HYPER_N, run.in(7));
    };
    for (const bool squares : {false, true}) {
        KernelRun run(op::adamw8bit, c), expected(op::adamw8bit, c);
        spread(run, squares), spread(expected, squares);
        expected.reference();
        run.launch(GetParam(), 2);
        const size_t state = squares ? 3 : 1;
        EXPECT_TRUE(same_bits(run.out(state), expected.out(state)));
        const auto codes = expected.out(state);  // those of entries that lie nearest to a point of the grid
        EXPECT_GE(std::set<float>(codes.begin(), codes.end()).size(), squares ? 245u : 249u);
        EXPECT_EQ(run.out(state + 1), std::vector<float>(kBlocks, 1.0f));
    }
}

TEST_P(Streaming, OptimizersSkipAStepWhoseNormIsNotFinite) {
    const Shape x(33, 17);
    const CaseInput m = state_in(x), codes = codes_in(x), absmax = absmax_in(x);
    const std::pair<const OpDef *, Case> steps[] = {
        {&op::sgd, optimizer_case("skip", x, {m})},
        {&op::lion, optimizer_case("skip", x, {m})},
        {&op::lion8bit, optimizer_case("skip", x, {codes, absmax})},
        {&op::adamw8bit, optimizer_case("skip", x, {codes, absmax, codes, absmax})}};
    for (const auto & [def, c] : steps)
        for (const float norm : {NAN, INFINITY}) {
            KernelRun run(*def, c), untouched(*def, c);
            run.in(run.node().src.size() - 2)[0] = norm;
            run.launch(GetParam(), 2);
            for (size_t i = 0; i < run.node().out.size(); ++i)
                EXPECT_TRUE(same_bits(run.out(i), untouched.out(i))) << def->name << " result " << i;
        }
}

TEST_P(Streaming, DropoutHasTheBitsOfTheReference) {
    // The last offset carries the counter's low word over within the tensor: 4 x 2^32 elements = 2^28 rows of 64.
    for (const int64_t n : {64, 37})
        for (const int32_t offset : {0, 1, 1000, (1 << 28) - 2}) {
            const Case c{"bits", {data_in({n, 700}), ints_in(4, Fill::key)}, DropoutParams{0.3f, 5}};
            KernelRun expected(op::dropout, c);
            expected.ints(1)[3] = offset;
            expected.reference();
            for (const int threads : {1, 2, 3, 8}) {
                KernelRun run(op::dropout, c);
                run.ints(1)[3] = offset;
                run.launch(GetParam(), threads);
                EXPECT_TRUE(same_bits(run.out(0), expected.out(0))) << n << " " << offset << " " << threads;
            }
        }
}

TEST_P(Streaming, UniformNoiseHasTheReferencesBits) {
    for (const int64_t n : {64, 37})
        for (const int32_t offset : {0, 1, 1000, (1 << 28) - 2}) {
            const Case c{"bits", {data_in({n, 700}), data_in(700), ints_in(4, Fill::key)}, UniformNoiseParams{-1}};
            KernelRun expected(op::uniform_noise, c);
            expected.ints(2)[3] = offset;
            expected.reference();
            for (const int threads : {1, 2, 3, 8}) {
                KernelRun run(op::uniform_noise, c);
                run.ints(2)[3] = offset;
                run.launch(GetParam(), threads);
                EXPECT_TRUE(same_bits(run.out(0), expected.out(0))) << n << " " << offset << " " << threads;
            }
        }
}

TEST_P(Streaming, DropoutWithoutChanceKeepsAll) {
    KernelRun run(op::dropout, {"all", {data_in({64, 5}), ints_in(4, Fill::key)}, DropoutParams{0, 0}});
    run.launch(GetParam(), 1);
    EXPECT_TRUE(same_bits(run.out(0), run.memory.values(run.source(0))));
}

TEST_P(Streaming, AdamwSkipsAStepWhoseNormIsNotFinite) {
    const Shape x(33, 7);
    for (const float norm : {NAN, INFINITY}) {
        KernelRun run(op::adamw, {"skip",
                                  {param_in(x), data_in(x), state_in(x), state_in(x, Fill::positive), data_in(1),
                                   data_in(QL_HYPER_N, Fill::hyper)},
                                  OptimizerParams{1}});
        run.in(4)[0] = norm;
        const auto p = run.memory.values(run.source(0)), m = run.memory.values(run.source(2)),
                   v = run.memory.values(run.source(3));
        run.launch(GetParam(), 2);
        EXPECT_TRUE(same_bits(run.out(0), p) && same_bits(run.out(1), m) && same_bits(run.out(2), v));
    }
}

TEST_P(Streaming, OneNaNOrInfinityMakesTheNormNotFinite) {
    for (const float value : {NAN, INFINITY, -INFINITY})
        for (const int64_t at : {0, 16383, 16384, 40000}) {
            KernelRun run(op::global_norm, {"poison", {data_in(5), data_in(40001)}, {}});
            run.in(1)[at] = value;
            run.launch(GetParam(), 2);
            EXPECT_FALSE(std::isfinite(run.out(0)[0])) << value << " at " << at;
        }
}

TEST_P(Streaming, GlobalNormTakesNumbersWhoseSquaresOverflowF32) {
    KernelRun run(op::global_norm, {"large", {data_in(100)}, {}});
    std::fill_n(run.in(0), 100, 1e30f);
    run.launch(GetParam(), 1);
    EXPECT_FLOAT_EQ(run.out(0)[0], 1e31f);
}

TEST_P(Streaming, KvStoreSkipsIndicesOutsideTheCache) {
    const Case c{"outside", {state_in({5, 4}), data_in({5, 3}), ints_in(3, Fill::zero)}, {}};
    KernelRun run(op::kv_store, c);
    const auto before = run.memory.values(run.source(0)), rows = run.memory.values(run.source(1));
    const int32_t index[] = {-1, 4, 2};
    std::copy_n(index, 3, run.ints(2));
    run.launch(GetParam(), 1);
    auto expected = before;
    std::copy_n(rows.begin() + 10, 5, expected.begin() + 10);
    EXPECT_TRUE(same_bits(run.out(0), expected));
}

/// The reference's bits are those of the type's own codec, but NaN in place of infinity.
TEST_P(Streaming, KvStoreRoundsToACacheOfF16AndMarksWhatItCannotHold) {
    const float max = 65504, values[] = {0,     -0.0f, 1,     1 / 3.0f, -65519.99f, 65520, 1e30f, -INFINITY, NAN,
                                         6e-8f, 3e-8f, 2e-8f, 6.1e-5f,  1.0004884f, max,   -max,  2049,      -7e-6f};
    for (const int64_t width : {1, 18, 577}) {
        const Case c{"f16", {cache_in({width, 9}, QL_F16), data_in({width, 7}), ints_in(7, Fill::distinct, 9)}, {}};
        KernelRun run(op::kv_store, c), expected(op::kv_store, c);
        for (KernelRun * r : {&run, &expected})
            for (int64_t i = 0; i < 7 * width; i += 2) r->in(1)[i] = values[i / 2 % std::size(values)];
        expected.reference();
        run.launch(GetParam(), 2);
        const auto * got = static_cast<const uint16_t *>(run.memory.data(run.source(0)));
        const auto * want = static_cast<const uint16_t *>(expected.memory.data(expected.source(0)));
        const float * rows = run.in(1);
        int64_t n_nan = 0;
        for (int64_t i = 0; i < 9 * width; ++i) {
            n_nan += std::isnan(f16_to_f32(want[i]));
            ASSERT_FALSE(std::isinf(f16_to_f32(want[i])));
            if (std::isnan(f16_to_f32(want[i])))
                ASSERT_TRUE(std::isnan(f16_to_f32(got[i]))) << i;
            else
                ASSERT_EQ(got[i], want[i]) << i;
        }
        EXPECT_EQ(n_nan, std::count_if(rows, rows + 7 * width, [](float x) { return !(std::fabs(x) < 65520); }));
    }
}

TEST_P(Streaming, NaNSpoilsItsRowOrElementAlone) {
    const int64_t n = 70, bad = 2 * n + 69;
    const auto poisoned = [&](const OpDef & def, const Case & c, size_t source) {
        KernelRun run(def, c);
        run.in(source)[bad] = NAN;
        run.launch(GetParam(), 1);
        std::vector<int64_t> spoiled;
        const auto y = run.out(0);
        for (size_t i = 0; i < y.size(); ++i)
            if (std::isnan(y[i])) spoiled.push_back(static_cast<int64_t>(i));
        return spoiled;
    };
    const Shape x(n, 5);
    for (const size_t source : {0, 1}) {
        EXPECT_EQ(poisoned(op::swiglu, {"", {data_in(x), data_in(x)}, {}}, source), std::vector<int64_t>{bad});
        EXPECT_EQ(poisoned(op::add, {"", {data_in(x), data_in(x)}, {}}, source), std::vector<int64_t>{bad});
    }
    for (const auto & spoiled :
         {poisoned(op::rms_norm, {"", {data_in(x), frozen_in(n)}, RmsNormParams{}}, 0),
          poisoned(op::rms_norm_back, {"", {data_in(x), frozen_in(n), data_in(x)}, RmsNormParams{}}, 2)}) {
        ASSERT_EQ(static_cast<int64_t>(spoiled.size()), n);
        EXPECT_EQ(spoiled.front(), 2 * n);
    }
}

TEST_P(Streaming, SwigluOfLargeGatesIsZeroOrTheGate) {
    KernelRun run(op::swiglu, {"", {data_in(3), data_in(3)}, {}});
    const float gate[] = {-200, 200, 0}, up[] = {3, 3, 3};
    std::copy_n(gate, 3, run.in(0));
    std::copy_n(up, 3, run.in(1));
    run.launch(GetParam(), 1);
    EXPECT_NEAR(run.out(0)[0], 0, 1e-34);  // e^-200 counts as e^-87
    EXPECT_EQ(run.out(0)[1], 600.0f);
    EXPECT_EQ(run.out(0)[2], 0.0f);
}

INSTANTIATE_TEST_SUITE_P(Cpu, Streaming, testing::ValuesIn(kernel_isas()),
                         [](const auto & info) { return std::string(isa_name(info.param)); });

}  // namespace
}  // namespace ql::cpu
