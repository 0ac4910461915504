// Attention on tensor cores, kernel by kernel: what is counted of it, and that what a query does not see does not reach it,
// whatever it is.
#include <gtest/gtest.h>

#include "backends/cuda/attention/backward.cuh"
#include "backends/cuda/attention/forward.cuh"
#include "cuda/emulation.hpp"

namespace ql::cuda {
namespace {

constexpr int kD = 64;

struct Problem {
    int64_t n_heads, n_kv, n_tokens, n_keys;
    std::vector<int32_t> span;
    std::vector<float> q, k, v, d_o;

    Problem(int64_t heads, int64_t kv, int64_t tokens, int64_t keys)
        : n_heads(heads), n_kv(kv), n_tokens(tokens), n_keys(keys), span(static_cast<size_t>(2 * tokens)) {
        uint32_t state = 7;
        const auto fill = [&](std::vector<float> & to, int64_t n) {
            to.resize(static_cast<size_t>(n * kD));
            for (float & x : to) x = static_cast<float>((state = state * 1664525 + 1013904223) >> 16) / 32768 - 1;
        };
        fill(q, heads * tokens), fill(k, kv * keys), fill(v, kv * keys), fill(d_o, heads * tokens);
    }
    void see(int64_t t, int32_t begin, int32_t end) {
        span[static_cast<size_t>(2 * t)] = begin, span[static_cast<size_t>(2 * t + 1)] = end;
    }
    /// Each token sees those before it in its segment, of `length` tokens.
    void segments(int32_t length) {
        for (int32_t t = 0; t < n_tokens; ++t) see(t, t / length * length, t + 1);
    }
};

struct Answers {
    std::vector<float> o, lse, dq, dk, dv;
};

class TensorAttention : public Emulation {
  protected:
    void SetUp() override { settings("counts=1"); }

    Answers run_all(const Problem & p, bool seen_only = false) {
        const auto garbage = [&](int64_t n) { return device(std::vector<float>(static_cast<size_t>(n), NAN)); };
        const auto blocks = [](int64_t n) { return static_cast<unsigned>(n); };
        const int64_t padded = padded_rows(p.n_keys), n_rows = p.n_tokens * (p.n_heads / p.n_kv),
                      padded_queries = padded_rows(n_rows), all = p.n_kv * padded_queries;
        const Heads h{device(p.q), device(p.span), kD, p.n_heads, p.n_kv, p.n_tokens, p.n_keys, 0.125f, 0};
        const auto words = [&](int64_t n) { return reinterpret_cast<uint32_t *>(garbage(n)); };
        const RoundedKeys keys{words(p.n_kv * padded * kD / 2), words(p.n_kv * padded * kD / 2),
                               reinterpret_cast<uint64_t *>(words(p.n_kv * padded / 32)), padded};
        const RoundedRows rows{words(all * kD / 2),
                               words(all * kD / 2),
                               reinterpret_cast<RowFacts *>(words(all * 4)),
                               reinterpret_cast<Keys *>(words(all / 32)),
                               reinterpret_cast<uint64_t *>(words(all / 32)),
                               padded_queries};
        const Cache k{{device(p.k), QL_F32}, {}}, v{{device(p.v), QL_F32}, {}};
        const int64_t n_q = p.n_heads * p.n_tokens, n_k = p.n_kv * p.n_keys;
        float *o = garbage(n_q * kD), *lse = garbage(n_q);
        const Gradient g{
            h, nullptr, nullptr, o, lse, device(p.d_o), garbage(n_q * kD), garbage(n_k * kD), garbage(n_k * kD)};
        const auto start_one = [&](emu::Counts & counts, auto kernel, dim3 grid, size_t shared, auto... arguments) {
            emu::machine().counted.clear();
            EXPECT_EQ(run(kernel, grid, kTileThreads, shared, arguments...), "");
            counts = emu::machine().counted["kernel"];
            EXPECT_EQ(counts.matrix_passes, counts.matrices) << "rows of a matrix lie in the same banks";
        };
        const unsigned n_kv = blocks(p.n_kv);
        start_one(rounding, round_keys_kernel<kD>, dim3(blocks(padded / kTileRows), n_kv), 0, h, k, v, keys, seen_only);
        start_one(forward, tensor_attention_kernel<kD>, dim3(blocks_of(n_rows, ForwardTiles<kD>::kRows), n_kv),
                  sizeof(ForwardTiles<kD>), h, keys, o, lse);
        start_one(of_queries, tensor_query_gradient_kernel<kD>, dim3(blocks(padded_queries / kTileRows), n_kv),
                  sizeof(QueryTiles<kD>), g, keys, rows);
        start_one(of_keys, tensor_key_gradient_kernel<kD>, dim3(blocks(padded / kTileRows), n_kv), sizeof(KeyTiles<kD>),
                  g, keys, rows);
        const auto read = [&](const float * from, int64_t n) { return host(from, static_cast<size_t>(n)); };
        return {read(o, n_q * kD), read(lse, n_q), read(g.dq, n_q * kD), read(g.dk, n_k * kD), read(g.dv, n_k * kD)};
    }
    emu::Counts rounding, forward, of_queries, of_keys;
};

/// Row t of H heads: all NaN, or the same bits.
void expect_row(const std::vector<float> & got, const std::vector<float> & want, int64_t t, int64_t n, bool poisoned) {
    for (auto i = static_cast<size_t>(t * n); i < static_cast<size_t>((t + 1) * n); ++i) {
        if (poisoned)
            ASSERT_TRUE(std::isnan(got[i])) << "row " << t;
        else
            ASSERT_EQ(0, std::memcmp(&got[i], &want[i], sizeof(float))) << "row " << t << ": " << got[i];
    }
}

TEST_F(TensorAttention, APoisonedKeyReachesThoseThatSeeIt) {
    Problem p(4, 2, 90, 90);
    p.segments(40);
    const Answers want = run_all(p);
    for (const bool is_value : {false, true}) {
        Problem bad = p;
        (is_value ? bad.v : bad.k)[(45 * 2 + 1) * kD + 3] = is_value ? INFINITY : NAN;
        const Answers got = run_all(bad);
        for (int64_t t = 0; t < 90; ++t)
            for (int64_t head = 0; head < 4; ++head) {
                const bool poisoned = head >= 2 && t >= 45 && t < 80;
                expect_row(got.o, want.o, t * 4 + head, kD, poisoned);
                expect_row(got.lse, want.lse, t * 4 + head, 1, poisoned);
                expect_row(got.dq, want.dq, t * 4 + head, kD, poisoned);
            }
        for (int64_t key = 0; key < 90; ++key)
            for (int64_t head = 0; head < 2; ++head) {  // what the poisoned queries see
                expect_row(got.dk, want.dk, key * 2 + head, kD, head == 1 && key >= 40 && key < 80);
                expect_row(got.dv, want.dv, key * 2 + head, kD, head == 1 && key >= 40 && key < 80);
            }
    }
}

TEST_F(TensorAttention, APoisonedQueryReachesTheKeysThatItSees) {
    Problem p(2, 1, 70, 70);
    p.segments(35);
    const Answers want = run_all(p);
    for (const bool is_gradient : {false, true}) {
        Problem bad = p;
        (is_gradient ? bad.d_o : bad.q)[(50 * 2 + 1) * kD] = NAN;
        const Answers got = run_all(bad);
        for (int64_t row = 0; row < 140; ++row) {
            expect_row(got.o, want.o, row, kD, !is_gradient && row == 101);
            expect_row(got.dq, want.dq, row, kD, row == 101);
        }
        for (int64_t key = 0; key < 70; ++key) {
            expect_row(got.dk, want.dk, key, kD, key >= 35 && key <= 50);
            expect_row(got.dv, want.dv, key, kD, key >= 35 && key <= 50);
        }
    }
}

TEST_F(TensorAttention, LeavesOutKeysThatNobodySees) {
    Problem p(2, 1, 40, 640);
    for (int32_t t = 0; t < 40; ++t) p.see(t, t < 20 ? 0 : t == 30 ? 7 : 500, t < 20 ? t + 1 : t == 30 ? 7 : 481 + t);
    const Answers want = run_all(p);
    const uint64_t all = rounding.written.by_launch, products = forward.mma_lanes;
    const Answers got = run_all(p, true);
    EXPECT_EQ(want.o, got.o);
    EXPECT_EQ(want.dq, got.dq);
    if (kSeesAccesses) {
        EXPECT_EQ(rounding.written.by_launch, all * 3 / 10) << "tiles 0, 7 and 8 of 10";
        EXPECT_EQ(forward.read.by_launch, 2u * 40 * kD * 4 + 3 * 64 * kD * 2 * 2 + 40 * 8 + 3 * 8);
    }
    EXPECT_EQ(forward.mma_lanes, products);
    for (int64_t head = 0; head < 2; ++head)  // an empty span
        for (int i = 0; i < kD; ++i) EXPECT_EQ(got.o[static_cast<size_t>((30 * 2 + head) * kD + i)], 0);
}

TEST_F(TensorAttention, CountsAreTheFormulas) {
    Problem p(1, 1, 128, 128);
    p.segments(128);
    run_all(p);
    // Warps of 32 rows and 64 keys: two see the second tile, too. Four products of 16 deep by eight of 8 keys, twice.
    EXPECT_EQ(forward.mma_lanes, 32u * (4 + 2) * (2 * 32 + 2 * 32));
    // Warps of 16 rows and 32 keys; S, dP, dQ. Then 16 keys and 32 rows; S, dP, dV, dK.
    EXPECT_EQ(of_queries.mma_lanes, 32u * (4 + 2 + 4 + 4 + 4 + 2) * 3 * 16);
    EXPECT_EQ(of_keys.mma_lanes, 32u * (2 + 4 + 4 + 4 + 2 + 4) * 4 * 16);
    if (!kSeesAccesses) return;
    const uint64_t n = 128 * kD;  // numbers of q, k, v
    EXPECT_EQ(rounding.read.by_launch, 2 * n * 4);
    EXPECT_EQ(rounding.written.by_launch, 2 * n * 2 + 2 * 8);
    EXPECT_EQ(forward.read.by_launch, n * 4 + 2 * n * 2 + 128 * 8 + 2 * 8);
    EXPECT_EQ(forward.written.by_launch, n * 4 + 128 * 4);
    EXPECT_EQ(of_queries.read.by_launch, 3 * n * 4 + 128 * 4 + 2 * n * 2 + 128 * 8 + 2 * 8);
    EXPECT_EQ(of_queries.written.by_launch, n * 4 + 2 * n * 2 + 128 * 16 + 2 * 8 + 2 * 8);
    EXPECT_EQ(of_keys.read.by_launch, 2 * n * 2 + 2 * 8 + 2 * n * 2 + 128 * 16 + 2 * 8 + 2 * 8);
    EXPECT_EQ(of_keys.written.by_launch, 2 * n * 4);
}

}  // namespace
}  // namespace ql::cuda
