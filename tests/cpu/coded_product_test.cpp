// Products of integers against coded.hpp's arithmetic, written out in scalars: every type, both directions, every instruction
// set and number of threads, bit for bit.
#include "backends/cpu/products/coded.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>

#include "backends/cpu/products/product.hpp"
#include "backends/cpu/targets.hpp"
#include "cpu/coded_arithmetic.hpp"
#include "cpu/coded_ymm.hpp"
#include "ggml/dtypes/half.hpp"
#include "ql/backend.h"
#include "support/reference_run.hpp"

namespace ql::cpu {
namespace {

using namespace coded;

class CodedProducts : public testing::TestWithParam<const Coding *> {
  protected:
    static const Coding & coding() { return *GetParam(); }

    static std::vector<Isa> sets() {
        std::vector<Isa> list;
        for (const Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512, Isa::neon})
            if (isa == best_isa() || (isa < best_isa() && best_isa() != Isa::neon)) list.push_back(isa);
        return list;
    }
    void TearDown() override {
        limit_targets(best_isa());
        replace_vnni({});
    }

    static Floats run(Isa isa, int threads, std::span<const Product> products, int64_t rows, const Floats & add) {
        limit_targets(isa);
        CpuDevice cpu(isa, threads, false, GetParam());
        Floats c(static_cast<size_t>(products[0].columns() * rows), NAN);
        const ProductSum sum{products, rows, c.data(), add.empty() ? nullptr : add.data()};
        AlignedBytes scratch(product_scratch(sum, cpu));
        std::memset(scratch.data(), 0xff, product_scratch(sum, cpu));
        multiply(cpu, sum, static_cast<std::byte *>(scratch.data()));
        return c;
    }
    static void expect_bits(std::span<const Product> products, int64_t rows, const Floats & want,
                            const Floats & add = {}) {
        for (const Isa isa : sets())
            for (const auto & [kernels, name] : kernels_of(isa)) {
                replace_vnni(kernels);
                for (const int threads : {1, 2, 3, 8}) {
                    const Floats got = run(isa, threads, products, rows, add);
                    EXPECT_EQ(0, std::memcmp(got.data(), want.data(), want.size() * sizeof(float)))
                        << isa_name(isa) << ", " << name << ", " << threads << " threads";
                }
            }
        replace_vnni({});
    }
    /// Highway's, those of VNNI that the set has, and of AVX-512's also those that are AVX2's elsewhere.
    static std::vector<std::pair<const CodedKernels *, const char *>> kernels_of(Isa isa) {
        replace_vnni({});
        std::vector<std::pair<const CodedKernels *, const char *>> list = {{nullptr, "without vnni"}};
        if (const CodedKernels * found = vnni_kernels(isa)) list.emplace_back(found, "vnni");
        if (isa >= Isa::avx512 && list.size() > 1 && ymm_kernels())
            list.emplace_back(ymm_kernels(), "vnni in 256 bits");
#if defined(__aarch64__) && defined(__linux__)
        if (list.size() > 1 && list.back().first == &kNeonSmmla) list.emplace_back(&kNeonSdot, "sdot");
#endif
        return list;
    }
    /// One product of random numbers.
    static void check(ql_dtype dtype, Side side, int64_t k, int64_t m, int64_t rows, float scale = 1) {
        SCOPED_TRACE(std::string(ql_dtype_name(dtype)) + (side == Side::forward ? " forward " : " backward ") +
                     std::to_string(k) + " x " + std::to_string(m) + ", " + std::to_string(rows));
        const AlignedBytes bytes = weight_bytes(dtype, k * m);
        Product p{{dtype, bytes.data(), k, m}, side, nullptr, scale};
        const Floats a = some_floats(p.depth() * rows, 5);
        p.a = a.data();
        Floats want(static_cast<size_t>(p.columns() * rows));
        add_term(coding(), p, a.data(), rows, want);
        expect_bits({&p, 1}, rows, want);
    }
};

TEST_P(CodedProducts, HaveTheBitsOfTheirArithmeticForEveryType) {
    for (const DTypeDef & type : all_dtypes())
        for (const Side side : {Side::forward, Side::backward})
            if (has_coded_product(type.id)) check(type.id, side, 512, 67, 7);
}

TEST_P(CodedProducts, HaveTheBitsOfTheirArithmeticForOddSizes) {
    for (const int64_t rows : {1, 5, 6, 13}) check(QL_NF4_DQ, Side::backward, 192, 1, rows);
    for (const int64_t rows : {5, 6, 13}) check(QL_NF4_DQ, Side::forward, 64, 131, rows, 0.37f);
    check(QL_Q8_0, Side::forward, 96, 70, 9);    // half a block at the end
    check(QL_Q8_0, Side::backward, 96, 70, 9);   // and of the columns
    check(QL_F16, Side::forward, 77, 5, 6);      // no whole vector
    check(QL_BF16, Side::backward, 77, 130, 6);  // two steps in the last block
}

TEST_P(CodedProducts, HaveTheBitsOfTheirArithmeticBeyondAPanel) {
    check(QL_NF4, Side::forward, 2304, 65, 6);
    check(QL_NF4, Side::backward, 64, 4200, 6);
}

/// The largest codes alone, whose sums are the largest, and those of bytes with A's bias the farthest from them. Of
/// codes that rotate, a block with one number gives them.
TEST_P(CodedProducts, HoldTheLargestSums) {
    const int64_t k = 256, m = 66, rows = 6, every = coding().rotates ? coding().block : 1;
    for (const auto & [sign_w, sign_a] : {std::pair{1.0f, 1.0f}, {1.0f, -1.0f}, {-1.0f, 1.0f}, {-1.0f, -1.0f}})
        for (const Side side : {Side::forward, Side::backward}) {
            Floats w(static_cast<size_t>(k * m));
            for (int64_t i = 0; i < k * m; ++i)
                if ((side == Side::forward ? i % k : i / k) % every == 0) w[static_cast<size_t>(i)] = sign_w;
            AlignedBytes bytes(ql_dtype_bytes(QL_Q8_0, k * m));
            ASSERT_TRUE(find_dtype(QL_Q8_0)->encode(w.data(), k * m, bytes.data()).ok());
            Product p{{QL_Q8_0, bytes.data(), k, m}, side};
            Floats a(static_cast<size_t>(p.depth() * rows));
            for (int64_t i = 0; i < p.depth() * rows; ++i)
                if (i % p.depth() % every == 0) a[static_cast<size_t>(i)] = sign_a;
            p.a = a.data();
            Floats want(static_cast<size_t>(p.columns() * rows));
            add_term(coding(), p, a.data(), rows, want);
            expect_bits({&p, 1}, rows, want);
            const auto ones = static_cast<float>((p.depth() + every - 1) / every);
            for (const float c : want) EXPECT_NEAR(c, sign_w * sign_a * ones, 0.1f);
        }
}

/// It is added once, not with each panel.
TEST_P(CodedProducts, AddWhatStandsBesideThemToTheFirstPanel) {
    const int64_t k = 4416, m = 70, rows = 7, r = 5;
    const AlignedBytes bytes = weight_bytes(QL_NF4, k * m);
    const Floats lora = some_floats(r * m, 3), a = some_floats(k * rows, 4), h = some_floats(r * rows, 5);
    const Product products[] = {{{QL_NF4, bytes.data(), k, m}, Side::forward, a.data()},
                                {f32_weight(lora.data(), m, r), Side::backward, h.data(), 100}};
    Floats want(static_cast<size_t>(m * rows));
    add_term(coding(), products[0], a.data(), rows, want);
    for (int64_t t = 0; t < rows; ++t)
        for (int64_t j = 0; j < m; ++j)
            for (int64_t i = 0; i < r; ++i)
                want[static_cast<size_t>(t * m + j)] +=
                    100 * lora[static_cast<size_t>(i * m + j)] * h[static_cast<size_t>(t * r + i)];
    for (const Isa isa : sets()) {
        const Floats got = run(isa, 2, products, rows, {});
        for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-3f) << isa_name(isa);
    }
}

/// A token with one large number in each block: what the other numbers are is not lost.
TEST(CodedRows, KeepWhatStandsBesideALargeNumber) {
    const int64_t k = 256, m = 64, rows = 8;
    const AlignedBytes bytes = weight_bytes(QL_NF4, k * m);
    Floats a = some_floats(k * rows, 3), small = a;
    for (int64_t i = 0; i < k * rows; i += kInt8.block)
        a[static_cast<size_t>(i)] = 100, small[static_cast<size_t>(i)] = 0;
    const auto multiply_by = [&](const Floats & x, const Coding * coding) {
        CpuDevice cpu(best_isa(), 1, false, coding);
        const Product p{{QL_NF4, bytes.data(), k, m}, Side::forward, x.data()};
        Floats c(static_cast<size_t>(m * rows));
        const ProductSum sum{{&p, 1}, rows, c.data()};
        AlignedBytes scratch(product_scratch(sum, cpu));
        multiply(cpu, sum, static_cast<std::byte *>(scratch.data()));
        return c;
    };
    const Floats want = multiply_by(a, nullptr), got = multiply_by(a, &kInt8), of_small = multiply_by(small, nullptr);
    double error = 0, size = 0;
    for (size_t i = 0; i < want.size(); ++i) {
        error += std::pow(static_cast<double>(got[i] - want[i]), 2);
        size += std::pow(static_cast<double>(of_small[i]), 2);
    }
    EXPECT_LT(error / size, 0.02);  // of what the small numbers give; without rotation .05
}

/// What is read of a row of int8 is half of what it is in 16 bits, where instructions multiply bytes.
TEST(CodedRows, HoldBytesWhereVnniMultipliesThem) {
    const CodedKernels some = {};
    EXPECT_TRUE(in_bytes({&kInt8, &some}));
    EXPECT_FALSE(in_bytes({&kInt8, nullptr}));
    EXPECT_FALSE(in_bytes({&kInt16, &some}));
    EXPECT_EQ(code_bytes({&kInt8, &some}, 576), 576);
    EXPECT_EQ(code_bytes({&kInt8, nullptr}, 576), 1152);
}

/// A linear's gradient: two quantized weights, and LoRA's matrices in f32 to the bits of their own product.
TEST_P(CodedProducts, AddToWhatWeightsOfF32Give) {
    const int64_t k = 128, rows = 7, r = 5;
    const AlignedBytes first = weight_bytes(QL_NF4, k * 80), second = weight_bytes(QL_Q4_K, 256 * k);
    const Floats lora = some_floats(k * r, 3), a1 = some_floats(80 * rows, 4), a2 = some_floats(r * rows, 5),
                 a3 = some_floats(256 * rows, 6), add = some_floats(k * rows, 7);
    const Product products[] = {{{QL_NF4, first.data(), k, 80}, Side::backward, a1.data(), 2},
                                {f32_weight(lora.data(), k, r), Side::backward, a2.data(), 0.5f},
                                {{QL_Q4_K, second.data(), 256, k}, Side::forward, a3.data(), 1}};
    for (const Isa isa : sets()) {
        limit_targets(isa);
        CpuDevice full(isa, 1, false);
        Floats want(static_cast<size_t>(k * rows));
        const ProductSum sum{{&products[1], 1}, rows, want.data(), add.data()};
        AlignedBytes scratch(product_scratch(sum, full));
        multiply(full, sum, static_cast<std::byte *>(scratch.data()));
        // Both terms share a panel: their blocks are added up before they reach c.
        Floats both(want.size());
        for (const size_t i : {size_t{0}, size_t{2}})
            add_term(coding(), products[i], static_cast<const float *>(products[i].a), rows, both);
        const Floats got = run(isa, 2, products, rows, add);
        for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[i], want[i] + both[i], 1e-4f);
    }
}

/// Those of few tokens by a type that coded_dots_test.cpp has no kernel of.
TEST_P(CodedProducts, OfF32WeightsAndOfAFewTokensAreInF32) {
    const int64_t k = 128, m = 70;
    const Floats w = some_floats(k * m, 1), a = some_floats(k * 9, 2);
    const AlignedBytes bytes = weight_bytes(QL_Q8_0, k * m);
    const Product of_f32{f32_weight(w.data(), k, m), Side::forward, a.data()},
        of_few{{QL_Q8_0, bytes.data(), k, m}, Side::forward, a.data()};
    for (const auto & [product, rows] : {std::pair{of_f32, int64_t{9}}, {of_few, kGemvRows}}) {
        const Floats got = run(best_isa(), 2, {&product, 1}, rows, {});
        CpuDevice full(best_isa(), 2, false);
        Floats want(got.size());
        const ProductSum sum{{&product, 1}, rows, want.data()};
        AlignedBytes scratch(product_scratch(sum, full));
        multiply(full, sum, static_cast<std::byte *>(scratch.data()));
        EXPECT_EQ(got, want);
    }
}

TEST_P(CodedProducts, TakeABlockBelowTheSmallestForZeroAndOneAboveForNumbers) {
    const int64_t k = 64, m = 64, rows = 6;
    const AlignedBytes bytes = weight_bytes(QL_NF4, k * m);
    const float rotated = coding().rotates ? 64 : 1;  // numbers that are alike add up
    for (const float size : {0x1p-101f / rotated, 0x1p-99f / rotated}) {
        Product p{{QL_NF4, bytes.data(), k, m}, Side::forward};
        const Floats a(static_cast<size_t>(k * rows), size);
        p.a = a.data();
        Floats want(static_cast<size_t>(m * rows));
        add_term(coding(), p, a.data(), rows, want);
        EXPECT_EQ(std::all_of(want.begin(), want.end(), [](float x) { return x == 0; }), size * rotated < 0x1p-100f);
        expect_bits({&p, 1}, rows, want);
    }
}

/// A weight of bf16 that is no number makes its column NaN, and no other.
TEST_P(CodedProducts, PropagateAWeightThatIsNoNumberToItsColumn) {
    const int64_t k = 70, m = 70, rows = 6, at = 5;
    for (const uint16_t bad : {uint16_t{0x7f80}, uint16_t{0x7fc0}})
        for (const Side side : {Side::forward, Side::backward}) {
            std::vector<uint16_t> w(static_cast<size_t>(k * m), f32_to_bf16(0.5f));
            w[static_cast<size_t>(at * k + at)] = bad;
            const Floats a = some_floats(k * rows, 2);
            const Product p{{QL_BF16, w.data(), k, m}, side, a.data()};
            for (const Isa isa : sets()) {
                const Floats c = run(isa, 1, {&p, 1}, rows, {});
                for (int64_t i = 0; i < m * rows; ++i)
                    EXPECT_EQ(std::isnan(c[static_cast<size_t>(i)]), i % m == at) << isa_name(isa) << " " << i;
            }
        }
}

std::string product_by_choice(const CodedKernels * vnni) {
    replace_vnni(vnni);
    ql_device_options options;
    ql_device_options_init(&options);
    ql_device * device = nullptr;
    EXPECT_EQ(QL_OK, ql_device_open(&options, &device)) << ql_error_message();
    ql_device_info info = {};
    info.size = sizeof(info);
    EXPECT_EQ(QL_OK, ql_device_describe(device, &info));
    ql_device_close(device);
    replace_vnni({});
    return info.product;
}

TEST(CodedProductsByChoice, AreOf16BitsWhereThereIsVnniAndNoFastBf16) {
    if (best_isa() < Isa::avx2 || best_isa() == Isa::neon) GTEST_SKIP() << "no set with VNNI here";
    static constexpr CodedKernels kNotEntered = {};
    setenv("QL_ISA", "avx2", 1);
    EXPECT_EQ(product_by_choice(nullptr), "f32");
    EXPECT_EQ(product_by_choice(&kNotEntered), "int16");
    if (bf16_is_fast(best_isa())) {
        setenv("QL_ISA", isa_name(best_isa()), 1);
        EXPECT_EQ(product_by_choice(&kNotEntered), isa_name(best_isa()));
    }
    unsetenv("QL_ISA");
    limit_targets(best_isa());
}

INSTANTIATE_TEST_SUITE_P(Cpu, CodedProducts, testing::Values(&kInt8, &kInt16),
                         [](const auto & info) { return std::string(info.param->name); });

}  // namespace
}  // namespace ql::cpu
