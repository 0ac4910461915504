// Attention with operands held in bf16: the kernels give the numbers of the same operands in f32, bit by bit, whichever
// operands are held so; and a plan holds in bf16 what training keeps for the backward pass.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>

#include "cpu/attention_cases.hpp"
#include "cpu/attention_paths.hpp"
#include "ggml/dtypes/half.hpp"
#include "ggml/plan/pass.hpp"
#include "ql/ql.h"

namespace ql::cpu {
extern const Backend kCpuBackend;
namespace {

// Tails of rows, of tiles and of blocks of 64.
constexpr AttentionSize kSizes[] = {
    {"d64 H9/3", 64, 9, 3, 100, 100}, {"d33 H4/2", 33, 4, 2, 70, 130}, {"d96 H3/1", 96, 3, 1, 65, 64}};

std::vector<uint16_t> rounded(const std::vector<float> & x) {
    std::vector<uint16_t> half(x.size());
    std::ranges::transform(x, half.begin(), [](float value) { return f32_to_bf16(value); });
    return half;
}

/// A run's node with some of its tensors held in bf16: bit i of a mask stands for source (or result) i.
class HeldRun {
  public:
    HeldRun(KernelRun & run, uint32_t sources, uint32_t results) : node_(run.node()) {
        for (size_t i = 0; i < node_.src.size(); ++i) {
            const Operand & t = *node_.src[i];
            src_.push_back(run.memory.data(&t));
            if (!(sources >> i & 1)) continue;
            const float * x = run.in(i);
            src_.back() = hold(node_.src[i], rounded({x, x + t.shape.elements()}));
        }
        for (size_t i = 0; i < node_.out.size(); ++i) {
            const auto n = static_cast<size_t>(node_.out[i]->shape.elements());
            out_.push_back(results >> i & 1 ? hold(node_.out[i], std::vector<uint16_t>(n, 0xffff))
                                            : run.memory.data(node_.out[i]));
        }
    }

    void launch(CpuDevice & cpu, const Kernel & kernel) {
        const size_t bytes = kernel.scratch(node_, cpu);
        const test::AlignedBytes scratch(bytes);
        std::memset(scratch.data(), 0xff, bytes);
        const Status status =
            kernel.launch({node_, src_.data(), out_.data(), static_cast<std::byte *>(scratch.data()), cpu});
        ASSERT_TRUE(status.ok()) << status.message();
    }
    /// A result as bf16, rounded if it is held in f32.
    std::vector<uint16_t> half(KernelRun & run, size_t i) const {
        if (node_.out[i]->dtype != QL_BF16) return rounded(run.out(i));
        const auto * x = static_cast<const uint16_t *>(out_[i]);
        return {x, x + node_.out[i]->shape.elements()};
    }
    bool holds(size_t result) const { return node_.out[result]->dtype == QL_BF16; }

  private:
    void * hold(Operand *& t, std::vector<uint16_t> values) {
        t = &tensors_.emplace_back(*t);
        t->dtype = QL_BF16;
        return memory_.emplace_back(std::move(values)).data();
    }

    Node node_;
    std::deque<Operand> tensors_;
    std::deque<std::vector<uint16_t>> memory_;
    std::vector<const void *> src_;
    std::vector<void *> out_;
};

class AttentionHeldInBf16 : public testing::TestWithParam<AttentionPath> {
  protected:
    /// Every choice of the sources that the kernel's row names, with and without the results that it names.
    static void expect_the_bits_of_f32(const OpDef & def, KernelRun & run) {
        const Kernel & kernel = GetParam().kernel(def);
        const auto named = [&](auto says, size_t n) {
            uint32_t mask = 0;
            for (size_t i = 0; says && i < n; ++i) mask |= says(run.node(), i) ? 1u << i : 0;
            return mask;
        };
        const uint32_t sources = named(kernel.reads_bf16, run.node().src.size()),
                       results = named(kernel.writes_bf16, run.node().out.size());
        ASSERT_NE(sources, 0u);
        for (size_t i = 0; i < run.node().src.size(); ++i)
            for (int64_t e = 0; sources >> i & 1 && e < run.source(i)->shape.elements(); ++e)
                run.in(i)[e] = bf16_to_f32(f32_to_bf16(run.in(i)[e]));
        CpuDevice cpu = GetParam().device(2);
        ASSERT_TRUE(run.launch(cpu, kernel).ok());
        std::vector<std::vector<float>> want;
        for (size_t i = 0; i < run.node().out.size(); ++i) want.push_back(run.out(i));
        for (uint32_t mask = sources;; mask = (mask - 1) & sources) {
            for (const uint32_t of_results : {results, 0u}) expect_bits(run, mask, of_results, want, cpu);
            if (mask == 0) return;
        }
    }

  private:
    static void expect_bits(KernelRun & run, uint32_t sources, uint32_t results,
                            const std::vector<std::vector<float>> & want, CpuDevice & cpu) {
        HeldRun held(run, sources, results);
        held.launch(cpu, GetParam().kernel(*run.node().def));
        for (size_t i = 0; i < want.size(); ++i) {
            EXPECT_EQ(held.half(run, i), rounded(want[i])) << "result " << i << ", sources " << sources;
            EXPECT_TRUE(held.holds(i) || same_bits(run.out(i), want[i])) << "result " << i;
        }
    }
};

TEST_P(AttentionHeldInBf16, GivesTheBitsOfTheSameNumbersInF32) {
    for (const AttentionSize & s : kSizes) {
        SCOPED_TRACE(s.name);
        KernelRun run(op::attention, forward_case(s)), back(op::attention_back, back_case(s));
        expect_the_bits_of_f32(op::attention, run);
        expect_the_bits_of_f32(op::attention_back, back);
    }
}

/// Such launches are left to the kernels of f32.
TEST_P(AttentionHeldInBf16, GivesTheBitsOfF32WhereANumberIsNotFinite) {
    const AttentionSize & s = kSizes[0];
    for (const float value : {NAN, INFINITY}) {
        KernelRun run(op::attention, forward_case(s)), back(op::attention_back, back_case(s));
        for (KernelRun * r : {&run, &back}) r->in(2)[70 * s.kv * s.d + 5] = value;
        expect_the_bits_of_f32(op::attention, run);
        expect_the_bits_of_f32(op::attention_back, back);
    }
}

TEST(AttentionRows, AFewQueriesAreF32s) {
    const AttentionSize s{"few", 64, 2, 1, 8, 70};
    KernelRun run(op::attention, forward_case(s)), back(op::attention_back, back_case(s));
    for (size_t i = 0; i < 7; ++i) {
        EXPECT_FALSE(kernel::attention.reads_bf16(run.node(), i)) << i;
        EXPECT_FALSE(kernel::attention_back.reads_bf16(back.node(), i)) << i;
    }
    EXPECT_FALSE(kernel::attention.writes_bf16(run.node(), 0));
}

INSTANTIATE_TEST_SUITE_P(Cpu, AttentionHeldInBf16, testing::ValuesIn(attention_paths_bf16()),
                         [](const auto & info) { return std::string(info.param.name); });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(AttentionHeldInBf16);

/// A layer's attention with its projections, and the gradients of q, k and v.
class AttentionOfALayer : public testing::Test {
  protected:
    static constexpr int64_t kHead = 32, kHeads = 2, kWidth = kHead * kHeads, kTokens = 40;

    Tensor * leaf(ql_dtype dtype, Shape s) {
        return g.leaf(TensorKind::input, "x", dtype, QL_MAX_DIMS, s.ne.data(), nullptr);
    }
    Tensor * norm() { return ql_rms_norm(&g, leaf(QL_F32, {kWidth, kTokens}), leaf(QL_F32, {kWidth}), 1e-5f); }
    Tensor * project(Tensor * x) { return ql_mul_mat(&g, leaf(QL_F32, {kWidth, kWidth}), x); }
    Tensor * heads(Tensor * x) {
        const int64_t ne[] = {kHead, kHeads, kTokens};
        return ql_reshape(&g, x, 3, ne);
    }
    Tensor * flat(Tensor * x) {
        const int64_t ne[] = {kWidth, kTokens};
        return ql_reshape(&g, x, 2, ne);
    }

    Graph g;
};

TEST_F(AttentionOfALayer, KeepsItsOperandsAndItsResultInBf16ForTheBackwardPass) {
    Tensor *x = norm(), *table = leaf(QL_F32, {kHead, kTokens}), *span = leaf(QL_I32, {2, kTokens});
    Tensor *xq = project(x), *xk = project(x), *v = heads(project(x));
    Tensor *q = ql_rope(&g, heads(xq), table, QL_ROPE_NORMAL), *k = ql_rope(&g, heads(xk), table, QL_ROPE_NORMAL);
    Tensor * o = ql_attention(&g, q, k, v, span, 0.125f);
    Tensor *y = project(flat(o)), *d_o = heads(project(norm()));
    Tensor * lse = o->producer->result(1);
    Tensor * dq = g.emit(op::attention_back, {q, k, v, o, lse, d_o, span}, AttentionParams{0.125f});
    ASSERT_TRUE(g.status().ok()) << g.status().message();
    Device device;
    device.backend = &kCpuBackend;
    device.caps.bf16 = true;
    Tensor * const outputs[] = {y, dq};
    PlanList list;
    Device * const devices[] = {&device};
    for (const auto pass : {reach, place, narrow}) ASSERT_TRUE(pass(list, {outputs, devices}).ok());
    for (Tensor * t : {q, k, v, o, d_o}) EXPECT_EQ(list.value_of(t)->dtype, QL_BF16) << describe(*t);
    for (Tensor * t : {xq, xk, lse, dq}) EXPECT_EQ(list.value_of(t)->dtype, QL_F32) << describe(*t);
}

}  // namespace
}  // namespace ql::cpu
