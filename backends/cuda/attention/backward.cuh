// Attention's gradient on tensor cores: probabilities are computed again from lse, in registers, for a tile of rows and keys
// at a time. A sum is made by one warp in order: no atomics, the same bits every time. So there are two kernels, and scores
// and do . v are computed in both: 7 products of a tile in place of 5.
//
// dq: a block takes 64 rows of a key head and passes over the tiles of keys that these see. It also rounds q and do for the
//     second kernel and computes do . o, of do as it was rounded, so that ds of a row sums to 0 as well as it can.
// dk, dv: a block takes 64 keys and passes over the rows that see them, with scores transposed: P^T and dS^T, the left
//     operands, stay in registers. Heads of 256 numbers take two blocks, each with half of the columns of dk and dv.
// Traffic: q, do, o, lse once in f32; what is passed over in bf16, once for each block. Copies of the next tile run beside
// the products of this one (heads of 256: where two tiles do not fit, they do not).
#pragma once
#include "backends/cuda/attention/rounded.cuh"

namespace ql::cuda {

/// Of a row, beside its numbers: log2(e) lse, do . o, and the keys that it sees.
struct alignas(16) RowFacts {
    float lse, c;
    Keys keys;
};

/// Rows of all key heads, padded to n_padded for each.
struct RoundedRows {
    uint32_t *q, *d_o;
    RowFacts * facts;
    Keys * hulls;    // of 64 rows each
    uint64_t * bad;  // of 64 rows each
    int64_t n_padded;
    template <int kD>
    __device__ int64_t at(int64_t kv, int64_t row) const {
        return (kv * n_padded + row) * (kD / 2);
    }
    __device__ int64_t fact(int64_t kv, int64_t row) const { return kv * n_padded + row; }
    __device__ int64_t tile(int64_t kv, int64_t row) const { return (kv * n_padded + row) / kTileRows; }
};

/// p and ds of a score: in: scale times it is the score, and do . v; out: the probability, and d of scale q . k.
__device__ inline void differentiate(const Heads & h, float lse, float c, bool seen, float & score, float & d_p) {
    const float s = h.score(score), p = seen ? exp2f(fmaf(kLog2E, s, -lse)) : 0;
    d_p = seen ? h.slope(s) * p * (d_p - c) : 0;
    score = p;
}

// dq.

template <int kD>
struct alignas(16) QueryTiles {
    static constexpr int kKeys = kD == 256 ? 16 : 32, kStages = kD == 256 ? 1 : 2;
    TileRow<kD> q[kTileRows], d_o[kTileRows], k[kStages][kKeys], v[kStages][kKeys];
    float lse[kTileRows], c[kTileRows];
    uint32_t bad[kTileWarps];
};

/// Rounds 64 rows of q and do to shared memory and for the second kernel, and writes what is to know of them.
template <int kD>
__device__ void round_rows(const Gradient & g, const QueryRows & rows, int row0, const RoundedRows & to,
                           QueryTiles<kD> & s) {
    using Lanes = RowLanes<kD>;
    uint32_t bad = 0;
    for (int pass = 0; pass < Lanes::kPasses; ++pass) {
        const int r = Lanes::row(pass), row = row0 + r;
        const bool known = row < rows.n_rows;
        const int64_t from = known ? rows.at(row) * kD : 0, to_row = to.at<kD>(rows.kv, row);
        float c = 0;
        bool is_bad_row = false;
#pragma unroll
        for (int quad = 0; quad < Lanes::kQuads; ++quad) {
            const int column = Lanes::column(quad);
            Pair q{0, 0}, d_o{0, 0};
            if (known) {
                q = round_quad(*reinterpret_cast<const Float4 *>(rows.h.q + from + column));
                d_o = round_quad(*reinterpret_cast<const Float4 *>(g.d_o + from + column));
                const Float4 o = *reinterpret_cast<const Float4 *>(g.o + from + column);
                c = fmaf(bits_as_float(d_o.low << 16), o.x, c);
                c = fmaf(bits_as_float(d_o.low & 0xffff0000), o.y, c);
                c = fmaf(bits_as_float(d_o.high << 16), o.z, c);
                c = fmaf(bits_as_float(d_o.high & 0xffff0000), o.w, c);
            }
            is_bad_row |= is_bad(q) || is_bad(d_o);
            *reinterpret_cast<Pair *>(&s.q[r][column / 2]) = q;
            *reinterpret_cast<Pair *>(&s.d_o[r][column / 2]) = d_o;
            *reinterpret_cast<Pair *>(to.q + to_row + column / 2) = q;
            *reinterpret_cast<Pair *>(to.d_o + to_row + column / 2) = d_o;
        }
        for (int by = Lanes::kLanes / 2; by > 0; by /= 2) c += __shfl_xor_sync(0xffffffffu, c, by);
        const float lse = known ? kLog2E * g.lse[rows.at(row)] : 0;
        if (is_bad_row || !is_finite(c) || !is_finite(lse)) bad |= 1u << pass;
        if (lane_number() % Lanes::kLanes == 0) {
            s.lse[r] = lse, s.c[r] = c;
            to.facts[to.fact(rows.kv, row)] = {lse, c, keys_of(rows, row)};
        }
    }
    const uint32_t bad_rows = Lanes::rows_of(bad);
    for (int pass = 0; bad_rows != 0 && pass < Lanes::kPasses; ++pass) {
        const int r = Lanes::row(pass);
        if (!(bad_rows >> r % kWarpRows & 1)) continue;
        for (int quad = 0; quad < Lanes::kQuads; ++quad) {
            const int column = Lanes::column(quad) / 2;
            const int64_t at = to.at<kD>(rows.kv, row0 + r) + column;
            *reinterpret_cast<Pair *>(to.q + at) = *reinterpret_cast<Pair *>(to.d_o + at) = {0, 0};
        }
        if (lane_number() % Lanes::kLanes == 0) to.facts[to.fact(rows.kv, row0 + r)] = {0, 0, keys_of(rows, row0 + r)};
    }
    if (lane_number() == 0) {
        s.bad[warp_number()] = bad_rows;
        reinterpret_cast<uint16_t *>(to.bad + to.tile(rows.kv, row0))[warp_number()] = static_cast<uint16_t>(bad_rows);
    }
}

template <int kD>
__global__ void __launch_bounds__(kTileThreads, kD == 256 ? 2 : 3)
    tensor_query_gradient_kernel(Gradient g, RoundedKeys keys, RoundedRows to) {
    using Tiles = QueryTiles<kD>;
    constexpr int kKeys = Tiles::kKeys, kStages = Tiles::kStages;
    auto & s = shared_memory<Tiles>();
    const QueryRows rows(g.h, blockIdx.y);
    const int row0 = static_cast<int>(blockIdx.x) * kTileRows, kv = rows.kv;
    const int first = warp_number() * kWarpRows + lane_number() / 4;  // the thread's first row of the tile
    const SeenKeys<kTileRows> seen(rows, row0);
    round_rows<kD>(g, rows, row0, to, s);
    if (const Keys hull = seen.hull(); threadIdx.x == 0) to.hulls[to.tile(kv, row0)] = hull;
    const Keys own[2] = {keys_of(rows, row0 + first), keys_of(rows, row0 + first + 8)};
    const auto start = [&](int j0, int stage) {
        start_tile<kKeys, kD>(s.k[stage], keys.k + keys.at<kD>(kv, j0));
        start_tile<kKeys, kD>(s.v[stage], keys.v + keys.at<kD>(kv, j0));
        commit_copies();
    };
    float dq[1][kD / 8][4] = {};
    bool poisoned[2] = {false, false};
    int j0 = seen.next(0, kKeys), stage = 0;
    if (kStages == 2 && j0 != INT_MAX) start(j0, 0);
    __syncthreads();
    const float lse[2] = {s.lse[first], s.lse[first + 8]}, c[2] = {s.c[first], s.c[first + 8]};
    while (j0 != INT_MAX) {
        const int next = seen.next(j0 + kKeys, kKeys);
        if (kStages == 1) {
            __syncthreads();  // everybody is done with the tile before
            start(j0, 0);
        }
        wait_for_copies<0>();
        __syncthreads();  // the tile is here, and everybody is done with the one before
        if (kStages == 2 && next != INT_MAX) start(next, 1 - stage);
        if (__ballot_sync(0xffffffffu, own[0].meet(j0, kKeys) || own[1].meet(j0, kKeys)) != 0) {
            float p[1][kKeys / 8][4] = {}, ds[1][kKeys / 8][4] = {};
            multiply_rows<kD, 1>(s.q, s.k[stage], p);
            multiply_rows<kD, 1>(s.d_o, s.v[stage], ds);
#pragma unroll
            for (int n = 0; n < kKeys / 8; ++n)
#pragma unroll
                for (int i = 0; i < 4; ++i)
                    differentiate(g.h, lse[i / 2], c[i / 2], own[i / 2].has(j0 + n * 8 + lane_number() % 4 * 2 + i % 2),
                                  p[0][n][i], ds[0][n][i]);
            multiply_sums<kD, 1, kKeys, kD>(ds, s.k[stage], 0, dq);
            if (const uint64_t bad = keys.bad_of(kv, j0); bad != 0)
                for (int r = 0; r < 2; ++r) poisoned[r] |= (own[r].bits(j0, kKeys) & bad) != 0;
        }
        if (kStages == 2) stage = 1 - stage;
        j0 = next;
    }
#pragma unroll
    for (int r = 0; r < 2; ++r) {
        if (row0 + first + r * 8 >= rows.n_rows) continue;
        const bool is_bad_row = (s.bad[warp_number()] >> (lane_number() / 4 + r * 8) & 1) != 0;
        const float factor = own[r].end > own[r].begin && (poisoned[r] || is_bad_row) ? NAN : g.h.scale;
        float * out = g.dq + rows.at(row0 + first + r * 8) * kD + lane_number() % 4 * 2;
#pragma unroll
        for (int n = 0; n < kD / 8; ++n)
            *reinterpret_cast<Float2 *>(out + n * 8) = {dq[0][n][r * 2] * factor, dq[0][n][r * 2 + 1] * factor};
    }
}

// dk and dv.

template <int kD>
struct alignas(16) KeyTiles {
    static constexpr int kRows = kD == 256 ? 16 : 32, kStages = kD == 256 ? 1 : 2, kParts = kD == 256 ? 2 : 1,
                         kColumns = kD / kParts;
    TileRow<kD> k[kTileRows], v[kTileRows], q[kStages][kRows], d_o[kStages][kRows];
    RowFacts facts[kStages][kRows];
};

/// The tiles of 64 rows that see some of 64 keys, in order; every warp computes the same.
struct SeeingRows {
    const Keys * hulls;
    int n, j0;
    int base = -32;
    uint32_t left = 0;
    /// The first row of the next one; negative: there is none.
    __device__ int next() {
        while (left == 0) {
            base += 32;
            if (base >= n) return -1;
            const int tile = base + lane_number();
            left = __ballot_sync(0xffffffffu, tile < n && hulls[tile].meet(j0, kTileRows));
        }
        const int tile = base + lowest_bit(left);
        left &= left - 1;
        return tile * kTileRows;
    }
};

template <int kD>
__global__ void __launch_bounds__(kTileThreads)
    tensor_key_gradient_kernel(Gradient g, RoundedKeys keys, RoundedRows from) {
    using Tiles = KeyTiles<kD>;
    constexpr int kRows = Tiles::kRows, kStages = Tiles::kStages, kColumns = Tiles::kColumns;
    auto & s = shared_memory<Tiles>();
    const int j0 = static_cast<int>(blockIdx.x) * kTileRows, kv = static_cast<int>(blockIdx.y);
    const int column = static_cast<int>(blockIdx.z) * kColumns;
    const int first = warp_number() * kWarpRows + lane_number() / 4;  // the thread's first key of the tile
    start_tile<kTileRows, kD>(s.k, keys.k + keys.at<kD>(kv, j0));
    start_tile<kTileRows, kD>(s.v, keys.v + keys.at<kD>(kv, j0));
    const auto start = [&](int row, int stage) {
        start_tile<kRows, kD>(s.q[stage], from.q + from.at<kD>(kv, row));
        start_tile<kRows, kD>(s.d_o[stage], from.d_o + from.at<kD>(kv, row));
        if (static_cast<int>(threadIdx.x) < kRows)
            copy_async(&s.facts[stage][threadIdx.x], from.facts + from.fact(kv, row) + threadIdx.x);
        commit_copies();
    };
    const uint64_t bad_keys = keys.bad_of(kv, j0);
    float dk[1][kColumns / 8][4] = {}, dv[1][kColumns / 8][4] = {};
    bool poisoned[2] = {false, false};
    SeeingRows tiles{from.hulls + from.tile(kv, 0), static_cast<int>(from.n_padded / kTileRows), j0};
    const auto next_of = [&](int row) { return (row + kRows) % kTileRows ? row + kRows : tiles.next(); };
    int row = tiles.next(), stage = 0;
    if (kStages == 2 && row >= 0) start(row, 0);
    while (row >= 0) {
        const int next = next_of(row);
        if (kStages == 1) {
            __syncthreads();  // everybody is done with the tile before
            start(row, 0);
        }
        wait_for_copies<0>();
        __syncthreads();  // the tile is here, and everybody is done with the one before
        if (kStages == 2 && next >= 0) start(next, 1 - stage);
        const Keys seen = s.facts[stage][lane_number() % kRows].keys;
        if (__ballot_sync(0xffffffffu, seen.meet(j0 + warp_number() * kWarpRows, kWarpRows)) != 0) {
            float p[1][kRows / 8][4] = {}, ds[1][kRows / 8][4] = {};
            multiply_rows<kD, 1>(s.k, s.q[stage], p);
            multiply_rows<kD, 1>(s.v, s.d_o[stage], ds);
#pragma unroll
            for (int n = 0; n < kRows / 8; ++n)
#pragma unroll
                for (int i = 0; i < 2; ++i) {
                    const int r = n * 8 + lane_number() % 4 * 2 + i;
                    const RowFacts f = s.facts[stage][r];
#pragma unroll
                    for (int key = 0; key < 2; ++key) {
                        const bool sees = f.keys.has(j0 + first + key * 8);
                        differentiate(g.h, f.lse, f.c, sees, p[0][n][key * 2 + i], ds[0][n][key * 2 + i]);
                    }
                }
            multiply_sums<kD, 1, kRows, kColumns>(p, s.d_o[stage], column, dv);
            multiply_sums<kD, 1, kRows, kColumns>(ds, s.q[stage], column, dk);
            const uint64_t bad_rows = from.bad[from.tile(kv, row)] >> row % kTileRows;
            for (int r = 0; (bad_rows | bad_keys) != 0 && r < kRows; ++r)
                for (int key = 0; key < 2; ++key)
                    poisoned[key] |= ((bad_rows >> r | bad_keys >> (first + key * 8)) & 1) != 0 &&
                                     s.facts[stage][r].keys.has(j0 + first + key * 8);
        }
        if (kStages == 2) stage = 1 - stage;
        row = next;
    }
    commit_copies();
    wait_for_copies<0>();  // of keys that nobody sees
#pragma unroll
    for (int key = 0; key < 2; ++key) {
        const int row_of_key = j0 + first + key * 8;
        if (row_of_key >= g.h.n_keys) continue;
        const float factor = poisoned[key] ? NAN : 1;
        const int64_t at = (row_of_key * g.h.n_kv + kv) * kD + column + lane_number() % 4 * 2;
#pragma unroll
        for (int n = 0; n < kColumns / 8; ++n) {
            const float k = factor * g.h.scale, *const a = dk[0][n] + key * 2, *const b = dv[0][n] + key * 2;
            *reinterpret_cast<Float2 *>(g.dk + at + n * 8) = {a[0] * k, a[1] * k};
            *reinterpret_cast<Float2 *>(g.dv + at + n * 8) = {b[0] * factor, b[1] * factor};
        }
    }
}

inline RoundedRows cut_rows(Cutter & cutter, const Node & n) {
    const Shape &q = n.src[0]->shape, &k = n.src[1]->shape;
    const int64_t padded = padded_rows(q[2] * (q[1] / k[1])), all = k[1] * padded;
    RoundedRows rows{};
    rows.q = cutter.cut<uint32_t>(all * q[0] / 2);
    rows.d_o = cutter.cut<uint32_t>(all * q[0] / 2);
    rows.facts = cutter.cut<RowFacts>(all);
    rows.hulls = cutter.cut<Keys>(all / kTileRows);
    rows.bad = cutter.cut<uint64_t>(all / kTileRows);
    rows.n_padded = padded;
    return rows;
}

template <int kD>
Status start_tensor_gradient(const Launch & l, const Gradient & g, const RoundedKeys & keys, const RoundedRows & rows) {
    const auto n_kv = static_cast<unsigned>(g.h.n_kv);
    QL_TRY(run(l, tensor_query_gradient_kernel<kD>, dim3(static_cast<unsigned>(rows.n_padded / kTileRows), n_kv),
               kTileThreads, sizeof(QueryTiles<kD>), g, keys, rows));
    using Tiles = KeyTiles<kD>;
    return run(l, tensor_key_gradient_kernel<kD>,
               dim3(static_cast<unsigned>(keys.n_padded / kTileRows), n_kv, Tiles::kParts), kTileThreads, sizeof(Tiles),
               g, keys, rows);
}

}  // namespace ql::cuda
