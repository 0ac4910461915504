// Products beyond the conformance cases: types that are only read, NaN, tokens alone and in a batch.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "backends/cpu/products/coded.hpp"
#include "backends/cpu/products/decode.hpp"
#include "backends/cpu/products/head.hpp"
#include "backends/cpu/products/product.hpp"
#include "backends/cpu/targets.hpp"
#include "ggml/dtypes/dtype.hpp"
#include "support/reference_run.hpp"

namespace ql::cpu {
namespace {

using test::AlignedBytes;

struct Path {
    Isa isa;
    bool bf16;
    const Coding * coding = nullptr;

    /// Of an error, relative and squared.
    double limit() const { return bf16 ? 2e-5 : coding == &kInt8 ? 2e-4 : coding ? 1e-6 : 1e-11; }
    std::string name() const {
        return isa_name(isa) + std::string(bf16     ? "_products"
                                           : coding ? std::string("_") + coding->name
                                                    : std::string());
    }

    friend void PrintTo(const Path & path, std::ostream * out) { *out << path.name(); }
};

std::vector<Path> paths() {
    std::vector<Path> list;
    for (const Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512, Isa::neon})
        if (isa == best_isa() || (isa < best_isa() && best_isa() != Isa::neon))
            list.insert(list.end(), {{isa, false}, {isa, false, &kInt8}, {isa, false, &kInt16}});
    for (const Isa isa : {Isa::avx512_bf16, Isa::amx})
        if (isa <= best_isa() && best_isa() != Isa::neon) list.push_back({isa, true});
    return list;
}

std::vector<float> random_floats(int64_t n, uint32_t seed) {
    std::minstd_rand random(seed);
    std::uniform_real_distribution<float> uniform(-1, 1);
    std::vector<float> v(static_cast<size_t>(n));
    for (float & x : v) x = uniform(random);
    return v;
}

AlignedBytes random_weight(ql_dtype dtype, int64_t n) {
    AlignedBytes bytes(ql_dtype_bytes(dtype, n));
    const Status filled = selftest::fill_input(frozen_in(n, dtype), 7, bytes.data());
    EXPECT_TRUE(filled.ok()) << filled.message();
    return bytes;
}

int64_t rows_of(const Product & p, const std::vector<float> & a) {
    return static_cast<int64_t>(a.size()) / p.depth();
}

std::vector<float> product(CpuDevice & cpu, Product p, const std::vector<float> & a) {
    p.a = a.data();
    const int64_t rows = rows_of(p, a);
    std::vector<float> c(static_cast<size_t>(p.columns() * rows), NAN);
    const ProductSum sum{{&p, 1}, rows, c.data()};
    const AlignedBytes scratch(product_scratch(sum, cpu));
    multiply(cpu, sum, static_cast<std::byte *>(scratch.data()));
    return c;
}

std::vector<double> expected(const Product & p, const std::vector<float> & a) {
    const int64_t rows = rows_of(p, a);
    std::vector<float> w(static_cast<size_t>(p.w.elements()));
    find_dtype(p.w.dtype)->decode(p.w.data, p.w.elements(), 0, p.w.elements(), w.data());
    std::vector<double> c(static_cast<size_t>(p.columns() * rows));
    for (int64_t t = 0; t < rows; ++t)
        for (int64_t j = 0; j < p.columns(); ++j)
            for (int64_t i = 0; i < p.depth(); ++i) {
                const int64_t at = p.side == Side::forward ? j * p.w.k + i : i * p.w.k + j;
                c[static_cast<size_t>(t * p.columns() + j)] +=
                    static_cast<double>(w[static_cast<size_t>(at)]) *
                    static_cast<double>(a[static_cast<size_t>(t * p.depth() + i)]);
            }
    return c;
}

double relative_error(const std::vector<float> & got, const std::vector<double> & want) {
    double error = 0, size = 0;
    for (size_t i = 0; i < want.size(); ++i) {
        const double d = static_cast<double>(got[i]) - want[i];
        error += d * d;
        size += want[i] * want[i];
    }
    return error / size;
}

class Products : public testing::TestWithParam<Path> {
  protected:
    Products() { limit_targets(GetParam().isa); }
    CpuDevice cpu_{GetParam().isa, 2, GetParam().bf16, GetParam().coding};
};

TEST_P(Products, DecodeEveryTypeToTheBitsOfItsCodec) {
    for (const DTypeDef & type : all_dtypes()) {
        SCOPED_TRACE(type.name);
        const int64_t k = 1024, m = 3, n = k * m,
                      step = std::max<int64_t>(type.block_length == 1 ? 64 : 32, type.block_length == 64 ? 64 : 32);
        AlignedBytes bytes = random_weight(type.id, n);
        const Status encoded = type.encode ? type.encode(random_floats(n, 3).data(), n, bytes.data()) : Status();
        ASSERT_TRUE(encoded.ok());
        std::vector<float> want(static_cast<size_t>(n)), got(static_cast<size_t>(n), NAN);
        type.decode(bytes.data(), n, 0, n, want.data());
        const Weight w{type.id, bytes.data(), k, m};
        for (int64_t first = 0; first < n; first += step) span_decoder(type.id)(w, first, step, got.data() + first);
        EXPECT_EQ(0, std::memcmp(got.data(), want.data(), want.size() * sizeof(float)));
    }
}

TEST_P(Products, WorkWithTypesThatAreOnlyRead) {
    for (const DTypeDef & type : all_dtypes())
        for (const Side side : {Side::forward, Side::backward})
            for (const int64_t tokens : {2, 7}) {
                if (type.encode) continue;
                SCOPED_TRACE(std::string(type.name) + (side == Side::forward ? " forward " : " backward ") +
                             std::to_string(tokens));
                const int64_t k = 512, m = 67;
                const AlignedBytes bytes = random_weight(type.id, k * m);
                const Product p{{type.id, bytes.data(), k, m}, side};
                const auto a = random_floats(p.depth() * tokens, 5);
                EXPECT_LE(relative_error(product(cpu_, p, a), expected(p, a)), GetParam().limit());
            }
}

TEST_P(Products, GiveATokenTheSameBitsWhereverItStandsInABatch) {
    const int64_t k = 576, m = 131, tokens = 23;
    AlignedBytes bytes(ql_dtype_bytes(QL_NF4_DQ, k * m));
    ASSERT_TRUE(find_dtype(QL_NF4_DQ)->encode(random_floats(k * m, 1).data(), k * m, bytes.data()).ok());
    for (const Side side : {Side::forward, Side::backward}) {
        const Product all{{QL_NF4_DQ, bytes.data(), k, m}, side};
        const auto a = random_floats(all.depth() * tokens, 2);
        const auto c = product(cpu_, all, a);
        for (const int64_t first : {1, 7, 17}) {
            const Product some{all.w, side};
            const std::vector<float> part(a.begin() + first * all.depth(), a.begin() + (first + 6) * all.depth());
            const auto got = product(cpu_, some, part);
            EXPECT_EQ(0, std::memcmp(got.data(), c.data() + first * all.columns(), got.size() * sizeof(float)));
        }
    }
}

/// A weight of values, encoded.
AlignedBytes encoded_weight(ql_dtype dtype, int64_t n) {
    AlignedBytes bytes(ql_dtype_bytes(dtype, n));
    const Status encoded = find_dtype(dtype)->encode(random_floats(n, 1).data(), n, bytes.data());
    EXPECT_TRUE(encoded.ok()) << encoded.message();
    return bytes;
}

TEST_P(Products, GiveATokenTheSameBitsAloneAsAmongAFew) {
    for (const ql_dtype dtype : {QL_NF4, QL_NF4_DQ, QL_Q8_0, QL_Q4_0, QL_F16})
        for (const int64_t k : {int64_t{64}, int64_t{576}, int64_t{640}}) {  // 1, 9 and 10 blocks of nf4
            SCOPED_TRACE(std::string(ql_dtype_name(dtype)) + " " + std::to_string(k));
            const int64_t m = 39;
            const AlignedBytes bytes = encoded_weight(dtype, k * m);
            const Weight w{dtype, bytes.data(), k, m};
            for (int64_t tokens = 2; tokens <= kGemvRows; ++tokens) {
                const auto a = random_floats(k * tokens, 2);
                const auto c = product(cpu_, {w, Side::forward}, a);
                for (int64_t t = 0; t < tokens; ++t) {
                    const auto got = product(cpu_, {w, Side::forward}, {a.begin() + t * k, a.begin() + (t + 1) * k});
                    EXPECT_EQ(0, std::memcmp(got.data(), c.data() + t * m, got.size() * sizeof(float)));
                }
            }
        }
}

TEST_P(Products, GiveAFewTokensTheSameBitsForAnyNumberOfThreads) {
    const int64_t k = 576, m = 1031;
    for (const ql_dtype dtype : {QL_NF4, QL_NF4_DQ, QL_Q8_0}) {
        const AlignedBytes bytes = encoded_weight(dtype, k * m);
        const Product p{{dtype, bytes.data(), k, m}, Side::forward};
        for (const int64_t tokens : {1, 3}) {
            const auto a = random_floats(k * tokens, 2);
            const auto want = product(cpu_, p, a);
            EXPECT_LE(relative_error(want, expected(p, a)), GetParam().limit());
            for (const int threads : {1, 3, 8}) {
                CpuDevice other(GetParam().isa, threads, GetParam().bf16, GetParam().coding);
                const auto got = product(other, p, a);
                EXPECT_EQ(0, std::memcmp(got.data(), want.data(), got.size() * sizeof(float)));
            }
        }
    }
}

TEST_P(Products, TakeRowsOfMoreBlocksThanScalesAreDecodedAtOnce) {
    const int64_t k = 64 * 4500, m = 3;
    for (const ql_dtype dtype : {QL_NF4, QL_NF4_DQ})
        for (const int64_t tokens : {1, 2}) {
            const AlignedBytes bytes = encoded_weight(dtype, k * m);
            const Product p{{dtype, bytes.data(), k, m}, Side::forward, nullptr, 0.5f};
            const auto a = random_floats(k * tokens, 2);
            auto want = expected(p, a);
            for (double & x : want) x *= 0.5;
            EXPECT_LE(relative_error(product(cpu_, p, a), want), GetParam().limit());
        }
}

TEST_P(Products, PropagateNaNToItsTokenAlone) {
    const int64_t k = 192, m = 70;
    AlignedBytes bytes(ql_dtype_bytes(QL_NF4, k * m));
    ASSERT_TRUE(find_dtype(QL_NF4)->encode(random_floats(k * m, 1).data(), k * m, bytes.data()).ok());
    for (const Side side : {Side::forward, Side::backward})
        for (const int64_t tokens : {3, 9})
            for (const float bad : {NAN, INFINITY}) {
                const Product p{{QL_NF4, bytes.data(), k, m}, side};
                auto a = random_floats(p.depth() * tokens, 2);
                a[static_cast<size_t>(p.depth() + 5)] = bad;
                const auto c = product(cpu_, p, a);
                for (int64_t t = 0; t < tokens; ++t)
                    for (int64_t j = 0; j < p.columns(); ++j)
                        ASSERT_EQ(std::isfinite(c[static_cast<size_t>(t * p.columns() + j)]), t != 1) << t << " " << j;
            }
}

/// One logit of 70 is NaN or infinite: every token's loss is NaN.
TEST_P(Products, HeadLossOfALogitThatIsNoNumberIsNaN) {
    const int64_t n = 32, vocabulary = 70, tokens = 3;
    auto x = random_floats(n * tokens, 1);
    for (int64_t t = 0; t < tokens; ++t) x[static_cast<size_t>(t * n + 7)] = 0.5f;
    const std::vector<int32_t> target = {0, 69, 5};
    const std::vector<float> weight(tokens, 1.0f);
    const float one = 1;
    for (const float bad : {NAN, INFINITY}) {
        auto w = random_floats(n * vocabulary, 2);
        w[static_cast<size_t>(33 * n + 7)] = bad;
        std::vector<float> nll(tokens), dx(static_cast<size_t>(n * tokens));
        float loss = 0;
        HeadLoss head;
        head.w = f32_weight(w.data(), n, vocabulary);
        head.x = x.data(), head.target = target.data(), head.weight = weight.data(), head.tokens = tokens;
        head.dloss = &one, head.nll = nll.data(), head.loss = &loss, head.dx = dx.data();
        const AlignedBytes scratch(head_loss_scratch(head.w, tokens, false, cpu_));
        head_loss(cpu_, head, static_cast<std::byte *>(scratch.data()));
        EXPECT_TRUE(std::isnan(loss));
        for (const float l : nll) EXPECT_TRUE(std::isnan(l)) << bad;
        for (const float g : dx) EXPECT_TRUE(std::isnan(g)) << bad;
    }
}

INSTANTIATE_TEST_SUITE_P(Cpu, Products, testing::ValuesIn(paths()),
                         [](const auto & info) { return info.param.name(); });

}  // namespace
}  // namespace ql::cpu
