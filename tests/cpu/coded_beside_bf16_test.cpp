// Products of integers on a device that has products of bf16: operands and results in 16 bits, and LoRA's branch beside them.
#include <gtest/gtest.h>

#include <cstring>

#include "backends/cpu/bf16_kernels.hpp"
#include "cpu/coded_arithmetic.hpp"
#include "ggml/dtypes/half.hpp"

namespace ql::cpu {
namespace {

using namespace coded;

/// The device that also has products of bf16, whatever the processor is faster at.
class CodedProductsBesideBf16 : public testing::Test {
  protected:
    void SetUp() override {
        if (!bf16_kernels(best_isa())) GTEST_SKIP() << "no products of bf16 here";
    }
    void TearDown() override { replace_vnni({}); }

    static std::vector<uint16_t> rounded(const Floats & x) {
        std::vector<uint16_t> half(x.size());
        std::transform(x.begin(), x.end(), half.begin(), [](float value) { return f32_to_bf16(value); });
        return half;
    }
    static Floats widened(const std::vector<uint16_t> & half) {
        Floats x(half.size());
        std::transform(half.begin(), half.end(), x.begin(), [](uint16_t bits) { return bf16_to_f32(bits); });
        return x;
    }
    template <typename T>
    static std::vector<T> run(std::span<const Product> products, int64_t rows, int threads, const float * add = nullptr,
                              const Coding * coding = &kInt8) {
        CpuDevice cpu(best_isa(), threads, true, coding);
        std::vector<T> c(static_cast<size_t>(products[0].columns() * rows));
        const ProductSum sum{products, rows, c.data(), add, sizeof(T) == 2};
        AlignedBytes scratch(product_scratch(sum, cpu));
        std::memset(scratch.data(), 0xff, product_scratch(sum, cpu));
        multiply(cpu, sum, static_cast<std::byte *>(scratch.data()));
        return c;
    }
    /// With VNNI, and with what stands for it.
    template <typename F>
    static void with_each_kernel(const F & f) {
        for (const bool vnni : {true, false}) {
            SCOPED_TRACE(vnni ? "vnni" : "without vnni");
            if (vnni)
                replace_vnni({});
            else
                replace_vnni(nullptr);
            for (const int threads : {1, 3}) f(threads);
        }
    }
};

TEST_F(CodedProductsBesideBf16, RoundOperandsThatAreHeldInBf16AsTheyAre) {
    const int64_t k = 192, rows = 97;
    for (const Side side : {Side::forward, Side::backward}) {
        const int64_t m = 160, columns = side == Side::forward ? m : k, depth = side == Side::forward ? k : m;
        const AlignedBytes bytes = weight_bytes(QL_NF4_DQ, k * m);
        const auto half = rounded(some_floats(depth * rows, 5));
        const Floats a = widened(half);
        const Product in_f32{{QL_NF4_DQ, bytes.data(), k, m}, side, a.data()},
            in_bf16{in_f32.w, side, half.data(), 1, true};
        Floats want(static_cast<size_t>(columns * rows));
        add_term(kInt8, in_f32, a.data(), rows, want);
        with_each_kernel([&](int threads) {
            EXPECT_EQ(run<float>({&in_f32, 1}, rows, threads), want);
            EXPECT_EQ(run<float>({&in_bf16, 1}, rows, threads), want);
            EXPECT_EQ(run<uint16_t>({&in_bf16, 1}, rows, threads), rounded(want));
        });
    }
}

/// A result in 16 bits is rounded once, however many panels its depth would fill.
TEST_F(CodedProductsBesideBf16, RoundAResultOfManyStepsOnce) {
    const int64_t k = 64, m = 4200, rows = 7;
    const AlignedBytes bytes = weight_bytes(QL_NF4, k * m);
    const Floats a = some_floats(m * rows, 5);
    const Product p{{QL_NF4, bytes.data(), k, m}, Side::backward, a.data()};
    Floats want(static_cast<size_t>(k * rows));
    add_term(kInt8, p, a.data(), rows, want, INT64_MAX);
    with_each_kernel([&](int threads) { EXPECT_EQ(run<uint16_t>({&p, 1}, rows, threads), rounded(want)); });
}

/// LoRA's branch is what the products of bf16 make of it, and comes first.
TEST_F(CodedProductsBesideBf16, AddToWhatWeightsOfF32GiveInBf16) {
    for (const auto & [m, r] : {std::pair{int64_t{64}, int64_t{8}}, {131, 5}, {200, 40}, {70, 16}}) {
        const int64_t k = 128, rows = 101;
        SCOPED_TRACE(std::to_string(m) + " columns, rank " + std::to_string(r));
        const AlignedBytes bytes = weight_bytes(QL_NF4, k * m);
        const Floats lora = some_floats(r * m, 3), a = some_floats(k * rows, 4), h = some_floats(r * rows, 5),
                     add = some_floats(m * rows, 7);
        const Product products[] = {{{QL_NF4, bytes.data(), k, m}, Side::forward, a.data(), 2},
                                    {f32_weight(lora.data(), m, r), Side::backward, h.data(), 0.5f}};
        Floats want(static_cast<size_t>(m * rows)), coded(want.size());
        add_term(kInt8, products[0], a.data(), rows, coded);
        for (const float * rest : {static_cast<const float *>(nullptr), add.data()}) {
            CpuDevice vectors(Isa::avx512_bf16, 1, true);  // what stands beside integers is never of AMX
            const ProductSum beside{{&products[1], 1}, rows, want.data(), rest};
            AlignedBytes scratch(product_scratch(beside, vectors));
            multiply(vectors, beside, static_cast<std::byte *>(scratch.data()));
            for (size_t i = 0; i < want.size(); ++i) want[i] += coded[i];
            with_each_kernel([&](int threads) {
                EXPECT_EQ(run<float>(products, rows, threads, rest), want);
                EXPECT_EQ(run<uint16_t>(products, rows, threads, rest), rounded(want));
            });
        }
    }
}

}  // namespace
}  // namespace ql::cpu
