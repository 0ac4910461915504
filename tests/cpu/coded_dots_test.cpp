// Products of up to four tokens in whole numbers against gemv_coded.hpp's arithmetic, written out in scalars: every format,
// every instruction set and number of threads, bit for bit.
#include "backends/cpu/products/gemv_coded.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>

#include "backends/cpu/targets.hpp"
#include "cpu/coded_arithmetic.hpp"
#include "ggml/dtypes/half.hpp"
#include "ggml/dtypes/iq4_nl.hpp"
#include "ggml/dtypes/k_scales.hpp"
#include "ggml/dtypes/nf4_dq.hpp"
#include "ggml/dtypes/q4_0.hpp"
#include "ggml/dtypes/q4_1.hpp"
#include "ggml/dtypes/q4_k.hpp"
#include "ggml/dtypes/q5_k.hpp"
#include "ggml/dtypes/q6_k.hpp"

namespace ql::cpu::fours {
namespace {

using namespace coded;

/// A weight's number: q times d, plus m.
struct Unit {
    int32_t q;
    float d, m = 0;
};

template <class Format>
const auto & block_of(const Weight & w, int64_t i) {
    return static_cast<const typename Format::Block *>(w.data)[i / Format::block_length];
}
int nibble(const uint8_t * codes, int64_t j, int64_t half) {
    return j < half ? codes[j] & 15 : codes[j - half] >> 4;
}
template <class Format>
Unit of_k(const Weight & w, int64_t i, const uint8_t * low, int high) {
    const auto & b = block_of<Format>(w, i);
    const int64_t group = i % 256 / 32;
    const KScale s = k_scale(b.scales, static_cast<int>(group));
    return {nibble(low + group / 2 * 32, i % 64, 32) + 16 * high, f16_to_f32(b.d) * static_cast<float>(s.scale),
            -f16_to_f32(b.dmin) * static_cast<float>(s.min)};
}

Unit unit(const Weight & w, int64_t i) {
    switch (w.dtype) {
        case QL_Q4_0: {
            const auto & b = block_of<Q4_0>(w, i);
            return {nibble(b.q, i % 32, 16) - 8, f16_to_f32(b.d)};
        }
        case QL_Q4_1: {
            const auto & b = block_of<Q4_1>(w, i);
            return {nibble(b.q, i % 32, 16), f16_to_f32(b.d), f16_to_f32(b.m)};
        }
        case QL_IQ4_NL: {
            const auto & b = block_of<IQ4_NL>(w, i);
            return {kIQ4Units[nibble(b.q, i % 32, 16)], f16_to_f32(b.d)};
        }
        case QL_Q4_K:
            return of_k<Q4_K>(w, i, block_of<Q4_K>(w, i).q, 0);
        case QL_Q5_K: {
            const auto & b = block_of<Q5_K>(w, i);
            return of_k<Q5_K>(w, i, b.low, b.high[i % 32] >> i % 256 / 32 & 1);
        }
        case QL_Q6_K: {
            const auto & b = block_of<Q6_K>(w, i);
            const int64_t j = i % 128, half = i % 256 / 128;
            const int low = j < 64 ? b.low[half * 64 + j] & 15 : b.low[half * 64 + j - 64] >> 4;
            const int high = b.high[half * 32 + j % 32] >> 2 * (j / 32) & 3;
            return {(low | high << 4) - 32, f16_to_f32(b.d) * static_cast<float>(b.scales[i % 256 / 16])};
        }
        default: {
            const int code = nibble(static_cast<const uint8_t *>(w.data) + i / 64 * 32, i % 64, 32);
            const float absmax = w.dtype == QL_NF4 ? NF4Layout(w.data, w.elements()).absmax[i / 64]
                                                   : NF4DQLayout(w.data, w.elements()).absmax(i / 64);
            return {static_cast<int32_t>(std::round(kNF4Factor * kNF4Codebook[code])), absmax};
        }
    }
}
bool has_least(ql_dtype dtype) {
    return dtype == QL_Q4_1 || dtype == QL_Q4_K || dtype == QL_Q5_K;
}

/// Four numbers of a token.
struct Four {
    int32_t codes[4] = {}, sum = 0;
    float scale = 0;

    explicit Four(const float * x) {
        float largest = 0;
        bool finite = true;
        for (int i = 0; i < 4; ++i) {
            finite = finite && std::isfinite(x[i]);
            largest = std::max(largest, std::fabs(x[i]));
        }
        scale = !finite ? NAN : largest < 0x1p-100f ? 0 : largest / 127.0f;
        for (int i = 0; i < 4 && scale > 0; ++i)
            sum += codes[i] = static_cast<int32_t>(std::nearbyint(x[i] * (127.0f / largest)));
    }
};

float dot(const Weight & w, int64_t row, const float * x) {
    float lane[16] = {};
    for (int64_t i = 0; i < w.k; i += 4) {
        const Four four(x + i);
        float & to = lane[i % 64 / 4];
        int32_t whole = 0;
        for (int j = 0; j < 4; ++j) whole += unit(w, row * w.k + i + j).q * four.codes[j];
        const Unit first = unit(w, row * w.k + i);
        to += static_cast<float>(whole) * (first.d * four.scale);
        if (has_least(w.dtype)) to += first.m * (static_cast<float>(four.sum) * four.scale);
    }
    for (const int h : {8, 4, 2, 1})
        for (int l = 0; l < h; ++l) lane[l] += lane[l + h];
    return w.dtype == QL_NF4 || w.dtype == QL_NF4_DQ ? lane[0] * (1 / kNF4Factor) : lane[0];
}

class CodedDotsOf : public testing::TestWithParam<ql_dtype> {
  protected:
    void TearDown() override {
        limit_targets(best_isa());
        replace_vnni({});
    }
    /// f(isa, name) for every set, with and without its instruction for sums of products of bytes.
    static void with_each_set(const std::function<void(Isa)> & f) {
        for (const Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512, Isa::neon}) {
            if (isa != best_isa() && (isa > best_isa() || best_isa() == Isa::neon)) continue;
            limit_targets(isa);
            for (const bool instruction : {true, false}) {
                SCOPED_TRACE(std::string(isa_name(isa)) + (instruction ? "" : ", without its instruction"));
                if (instruction)
                    replace_vnni({});
                else
                    replace_vnni(nullptr);
                f(isa);
            }
        }
    }
    static Floats run(Isa isa, int threads, const Product & p, int64_t tokens, const float * add = nullptr,
                      const Coding * coding = &kInt8) {
        CpuDevice cpu(isa, threads, false, coding);
        Floats c(static_cast<size_t>(p.w.m * tokens), NAN);
        const ProductSum sum{{&p, 1}, tokens, c.data(), add};
        AlignedBytes scratch(product_scratch(sum, cpu));
        std::memset(scratch.data(), 0xff, product_scratch(sum, cpu));
        multiply(cpu, sum, static_cast<std::byte *>(scratch.data()));
        return c;
    }
    /// A row of whole blocks: 3 of 64, of which a format with longer ones has one.
    static int64_t short_row() { return find_dtype(GetParam())->block_length > 64 ? 256 : 192; }
};

TEST_P(CodedDotsOf, HaveTheBitsOfTheirArithmetic) {
    const int64_t m = 37;
    for (const int64_t k : {short_row(), int64_t{1280}}) {
        const AlignedBytes bytes = weight_bytes(GetParam(), k * m);
        for (int64_t tokens = 1; tokens <= kGemvRows; ++tokens) {
            SCOPED_TRACE(std::to_string(k) + ", " + std::to_string(tokens) + " tokens");
            const Floats x = some_floats(k * tokens, 3), add = some_floats(m * tokens, 4);
            const Product p{{GetParam(), bytes.data(), k, m}, Side::forward, x.data(), 0.75f};
            Floats want(static_cast<size_t>(m * tokens)), plus(want.size());
            for (int64_t t = 0; t < tokens; ++t)
                for (int64_t row = 0; row < m; ++row) {
                    const auto at = static_cast<size_t>(t * m + row);
                    want[at] = 0.75f * dot(p.w, row, x.data() + t * k);
                    plus[at] = add[at] + want[at];
                }
            with_each_set([&](Isa isa) {
                for (const int threads : {1, 3}) {
                    EXPECT_EQ(run(isa, threads, p, tokens), want);
                    EXPECT_EQ(run(isa, threads, p, tokens, add.data()), plus);
                }
            });
        }
    }
}

/// Rows of the longest kind, and one that is beyond it.
TEST_P(CodedDotsOf, TakeLongRowsAndLeaveLongerOnesInF32) {
    for (const int64_t k : {kUnitBlocks * kFourBlock, kUnitBlocks * kFourBlock + 256}) {
        const AlignedBytes bytes = weight_bytes(GetParam(), k * 2);
        const Floats x = some_floats(k, 3);
        const Product p{{GetParam(), bytes.data(), k, 2}, Side::forward, x.data()};
        const Floats want = k > kUnitBlocks * kFourBlock ? run(best_isa(), 1, p, 1, nullptr, nullptr)
                                                         : Floats{dot(p.w, 0, x.data()), dot(p.w, 1, x.data())};
        EXPECT_EQ(run(best_isa(), 1, p, 1), want) << k;
    }
}

/// The largest codes of a token, in the signs that make sums of two products the largest, by each code of the weight.
TEST_P(CodedDotsOf, HoldTheLargestSums) {
    const int64_t k = 256, m = 32;
    for (const int byte : {0x00, 0x77, 0x88, 0xff, 0x0f}) {
        AlignedBytes bytes = weight_bytes(GetParam(), k * m);
        auto * first = static_cast<uint8_t *>(bytes.data());
        const bool planes = GetParam() == QL_NF4 || GetParam() == QL_NF4_DQ;
        const size_t block = planes ? 0 : ql_dtype_bytes(GetParam(), find_dtype(GetParam())->block_length);
        if (planes) std::memset(first, byte, static_cast<size_t>(k * m / 2));
        for (size_t at = 0; block && at < ql_dtype_bytes(GetParam(), k * m); at += block) {
            const size_t head = GetParam() == QL_Q6_K                              ? 0
                                : GetParam() == QL_Q4_0 || GetParam() == QL_IQ4_NL ? 2
                                : GetParam() == QL_Q4_1                            ? 4
                                                                                   : 16;
            std::memset(first + at + head, byte, GetParam() == QL_Q6_K ? 192 : block - head);
        }
        for (const float sign : {1.0f, -1.0f}) {
            const Floats x(static_cast<size_t>(k), sign);
            const Product p{{GetParam(), bytes.data(), k, m}, Side::forward, x.data()};
            Floats want;
            for (int64_t row = 0; row < m; ++row) want.push_back(dot(p.w, row, x.data()));
            with_each_set([&](Isa isa) { EXPECT_EQ(run(isa, 1, p, 1), want) << byte; });
        }
    }
}

TEST_P(CodedDotsOf, AreNoNumberWhereATokenIsNone) {
    const int64_t k = 256, m = 8;
    const AlignedBytes bytes = weight_bytes(GetParam(), k * m);
    for (const float bad : {NAN, INFINITY}) {
        Floats x = some_floats(2 * k, 3);
        x[static_cast<size_t>(k) + 70] = bad;
        const Product p{{GetParam(), bytes.data(), k, m}, Side::forward, x.data()};
        with_each_set([&](Isa isa) {
            const Floats c = run(isa, 1, p, 2);
            for (int64_t i = 0; i < 2 * m; ++i) EXPECT_EQ(std::isnan(c[static_cast<size_t>(i)]), i >= m) << i;
        });
    }
}

TEST_P(CodedDotsOf, AreNearThoseOfF32) {
    const int64_t k = 1280, m = 64;
    const AlignedBytes bytes = weight_bytes(GetParam(), k * m);
    Floats x = some_floats(k, 3);
    for (size_t i = 0; i < x.size(); i += 64) x[i] *= 100;
    const Product p{{GetParam(), bytes.data(), k, m}, Side::forward, x.data()};
    const Floats want = run(best_isa(), 1, p, 1, nullptr, nullptr), got = run(best_isa(), 1, p, 1);
    double error = 0, size = 0;
    for (size_t i = 0; i < want.size(); ++i) {
        error += std::pow(static_cast<double>(got[i] - want[i]), 2);
        size += std::pow(static_cast<double>(want[i]), 2);
    }
    EXPECT_GT(error, 0);  // it is not f32's
    EXPECT_LT(error / size, 1e-4);
}

INSTANTIATE_TEST_SUITE_P(Cpu, CodedDotsOf,
                         testing::Values(QL_Q4_0, QL_Q4_1, QL_IQ4_NL, QL_Q4_K, QL_Q5_K, QL_Q6_K, QL_NF4, QL_NF4_DQ),
                         [](const auto & info) { return std::string(ql_dtype_name(info.param)); });

TEST(CodedDots, StayInF32ForOtherTypesAndForRowsOfPartBlocks) {
    const CpuDevice cpu(best_isa(), 1, false, &kInt8), full(best_isa(), 1, false), fine(best_isa(), 1, false, &kInt16);
    for (const ql_dtype dtype : {QL_Q8_0, QL_F16, QL_BF16, QL_F32, QL_Q5_0})
        EXPECT_EQ(coded_dots(cpu, {dtype, nullptr, 256, 4}, 1).rows, nullptr) << ql_dtype_name(dtype);
    EXPECT_EQ(coded_dots(cpu, {QL_Q4_0, nullptr, 96, 4}, 1).rows, nullptr);
    EXPECT_NE(coded_dots(cpu, {QL_Q4_0, nullptr, 128, 4}, 1).rows, nullptr);
    EXPECT_EQ(coded_dots(full, {QL_Q4_0, nullptr, 128, 4}, 1).rows, nullptr);
    EXPECT_EQ(coded_dots(fine, {QL_Q4_0, nullptr, 128, 4}, 1).rows, nullptr);
}

}  // namespace
}  // namespace ql::cpu::fours
