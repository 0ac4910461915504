// Attention's operands as its kernels on tensor cores read them: rounded to bf16 once, rows of a key head after each other.
//
// Keys [d, S, H_kv]; queries as rows: those of all heads that share a key head, token by token, so that a tile of 64 rows
// is full with few tokens, and a tile of keys serves all of its heads. Both are padded to whole tiles, and tiles come to
// shared memory by cp.async, in half the bytes of f32.
//
// 0 times infinity is no 0: a row that is not finite would reach rows that do not see it. So such a row is held as zeros and
// has a bit in `bad`, and whoever sees it gives NaN.
#pragma once
#include <cfloat>
#include <climits>

#include "backends/cuda/attention/heads.cuh"
#include "backends/cuda/attention/tiles.cuh"

namespace ql::cuda {

inline constexpr float kLog2E = 1.44269504088896341f, kLn2 = 0.693147180559945309f;

/// Keys and values, padded to n_padded for each key head; a word of `bad` for each 64.
struct RoundedKeys {
    uint32_t *k, *v;
    uint64_t * bad;
    int64_t n_padded;
    /// In words.
    template <int kD>
    __device__ int64_t at(int64_t kv, int64_t key) const {
        return (kv * n_padded + key) * (kD / 2);
    }
    __device__ uint64_t bad_of(int64_t kv, int64_t key) const {
        return bad[(kv * n_padded + key) / kTileRows] >> key % kTileRows;
    }
};

/// Rows of queries of one key head.
struct QueryRows {
    Heads h;
    int kv, group, n_rows;
    __device__ QueryRows(const Heads & heads, unsigned key_head)
        : h(heads),
          kv(static_cast<int>(key_head)),
          group(static_cast<int>(heads.n_heads / heads.n_kv)),
          n_rows(static_cast<int>(heads.n_tokens) * group) {}
    /// Which of [H, T].
    __device__ int64_t at(int row) const {
        return static_cast<int64_t>(row / group) * h.n_heads + kv * group + row % group;
    }
};

/// Keys [begin, end); spans are of 32 bits.
struct Keys {
    int begin = 0, end = 0;
    __device__ bool has(int key) const { return key >= begin && key < end; }
    __device__ bool meet(int first, int n) const { return begin < first + n && end > first; }
    __device__ void join(const Keys & other) {
        if (other.end <= other.begin) return;
        begin = other.begin < begin ? other.begin : begin;
        end = other.end > end ? other.end : end;
    }
    __device__ bool cover(int first, int n) const { return begin <= first && end >= first + n; }
    /// Of n keys from first on, at most 64.
    __device__ uint64_t bits(int first, int n) const {
        const int from = begin > first ? begin - first : 0, to = end < first + n ? end - first : n;
        return to <= from ? 0 : ~uint64_t{0} >> (64 - (to - from)) << from;
    }
};
__device__ inline Keys keys_of(const QueryRows & rows, int row) {
    if (row >= rows.n_rows) return {};
    const KeyRange range = rows.h.keys_of(row / rows.group);
    if (range.end <= range.begin) return {};
    return {static_cast<int>(range.begin), static_cast<int>(range.end)};
}

/// What all of the lanes' ranges have in common.
__device__ inline Keys warp_common(Keys keys) {
    for (int by = 16; by > 0; by /= 2) {
        const int begin = __shfl_xor_sync(0xffffffffu, keys.begin, by),
                  end = __shfl_xor_sync(0xffffffffu, keys.end, by);
        keys.begin = begin > keys.begin ? begin : keys.begin;
        keys.end = end < keys.end ? end : keys.end;
    }
    return keys;
}
/// The keys that rows see, a multiple of 32 of them; every warp knows all, so that a block agrees without a barrier.
template <int kRows>
struct SeenKeys {
    Keys rows[kRows / 32];
    __device__ SeenKeys(const QueryRows & of, int row0) {
        for (int i = 0; i < kRows / 32; ++i) rows[i] = keys_of(of, row0 + i * 32 + lane_number());
    }
    /// The first tile of n keys from j0 on, a multiple of n, that some row sees; INT_MAX: there is none.
    __device__ int next(int j0, int n) const {
        bool seen = false;
        for (const Keys & keys : rows) seen |= keys.meet(j0, n);
        if (__ballot_sync(0xffffffffu, seen) != 0) return j0;
        int least = INT_MAX;
        for (const Keys & keys : rows)
            if (keys.end > keys.begin && keys.begin > j0 && keys.begin < least) least = keys.begin;
        for (int by = 16; by > 0; by /= 2) {
            const int other = __shfl_xor_sync(0xffffffffu, least, by);
            least = other < least ? other : least;
        }
        return least == INT_MAX ? least : least / n * n;
    }
    /// The least range that holds all rows' ranges.
    __device__ Keys hull() const {
        Keys all{INT_MAX, 0};
        for (const Keys & keys : rows) all.join(keys);
        for (int by = 16; by > 0; by /= 2)
            all.join({__shfl_xor_sync(0xffffffffu, all.begin, by), __shfl_xor_sync(0xffffffffu, all.end, by)});
        return all.end > 0 ? all : Keys{};
    }
};

/// How a warp passes over rows of kD numbers, four numbers a lane: a few lanes share a row, and take several fours of it.
template <int kD>
struct RowLanes {
    static constexpr int lowest_bit(int n) { return n & -n; }
    static constexpr int kLanes = lowest_bit(kD / 4) < 32 ? lowest_bit(kD / 4) : 32, kQuads = kD / 4 / kLanes;
    static constexpr int kAtOnce = 32 / kLanes, kPasses = kWarpRows / kAtOnce;
    static constexpr uint32_t kMask = kLanes == 32 ? ~0u : (1u << kLanes) - 1;

    /// Of 64; of its 16, a warp takes row i kAtOnce + lane / kLanes in pass i.
    static __device__ int row(int pass) { return warp_number() * kWarpRows + pass * kAtOnce + lane_number() / kLanes; }
    static __device__ int column(int quad) { return (quad * kLanes + lane_number() % kLanes) * 4; }
    /// A bit for each of the warp's 16 rows from a bit for each pass of every lane.
    static __device__ uint32_t rows_of(uint32_t passes) {
        if (__ballot_sync(0xffffffffu, passes != 0) == 0) return 0;
        uint32_t rows = 0;
        for (int pass = 0; pass < kPasses; ++pass) {
            const uint32_t lanes = __ballot_sync(0xffffffffu, (passes >> pass & 1) != 0);
            for (int i = 0; i < kAtOnce; ++i)
                if (lanes >> i * kLanes & kMask) rows |= 1u << (pass * kAtOnce + i);
        }
        return rows;
    }
};

struct alignas(8) Pair {
    uint32_t low, high;
};
__device__ inline Pair round_quad(const Float4 & x) {
    return {pack_bf16(x.x, x.y), pack_bf16(x.z, x.w)};
}
/// Some number of the four is infinite or NaN: its exponent has all bits, to which one more carries into the sign's place.
__device__ inline bool is_bad(const Pair & p) {
    constexpr uint32_t kExponents = 0x7f807f80, kOne = 0x00800080, kSigns = 0x80008000;
    return ((((p.low & kExponents) + kOne) | ((p.high & kExponents) + kOne)) & kSigns) != 0;
}
__device__ inline bool is_finite(float x) {
    return fabsf(x) <= FLT_MAX;
}

/// Numbers i to i + 3, i a multiple of 4.
__device__ inline Float4 load_quad(const Numbers & from, int64_t i) {
    if (from.dtype == QL_F32) return *reinterpret_cast<const Float4 *>(static_cast<const float *>(from.data) + i);
    const Pair p = *reinterpret_cast<const Pair *>(static_cast<const uint16_t *>(from.data) + i);
    const uint32_t h[4] = {p.low & 0xffff, p.low >> 16, p.high & 0xffff, p.high >> 16};
    float x[4];
    for (int k = 0; k < 4; ++k)
        x[k] =
            from.dtype == QL_F16 ? f16_number(static_cast<uint16_t>(h[k])) : bf16_number(static_cast<uint16_t>(h[k]));
    return {x[0], x[1], x[2], x[3]};
}

/// A block rounds 64 keys and values of a head. `seen_only`: keys that no query sees are left out, where a cache has many.
template <int kD>
__global__ void __launch_bounds__(kTileThreads)
    round_keys_kernel(Heads h, Cache keys, Cache values, RoundedKeys to, bool seen_only) {
    using Lanes = RowLanes<kD>;
    const int64_t kv = blockIdx.y, j0 = static_cast<int64_t>(blockIdx.x) * kTileRows;
    if (seen_only) {
        bool seen = false;
        for (int64_t t = lane_number(); t < h.n_tokens; t += 32) {
            const KeyRange range = h.keys_of(t);
            seen |= range.begin < j0 + kTileRows && range.end > j0;
        }
        if (__ballot_sync(0xffffffffu, seen) == 0) return;
    }
    uint32_t bad = 0;
    for (int pass = 0; pass < Lanes::kPasses; ++pass) {
        const int64_t key = j0 + Lanes::row(pass), to_row = to.at<kD>(kv, key);
        const bool known = key < h.n_keys;
        const int64_t from = known ? (keys.rows.row(key) * h.n_kv + kv) * h.d : 0;
#pragma unroll
        for (int quad = 0; quad < Lanes::kQuads; ++quad) {
            const int column = Lanes::column(quad);
            const Pair k = known ? round_quad(load_quad(keys.numbers, from + column)) : Pair{0, 0};
            const Pair v = known ? round_quad(load_quad(values.numbers, from + column)) : Pair{0, 0};
            *reinterpret_cast<Pair *>(to.k + to_row + column / 2) = k;
            *reinterpret_cast<Pair *>(to.v + to_row + column / 2) = v;
            if (is_bad(k) || is_bad(v)) bad |= 1u << pass;
        }
    }
    const uint32_t rows = Lanes::rows_of(bad);
    for (int pass = 0; rows != 0 && pass < Lanes::kPasses; ++pass) {
        if (!(rows >> Lanes::row(pass) % kWarpRows & 1)) continue;
        for (int quad = 0; quad < Lanes::kQuads; ++quad) {
            const int64_t at = to.at<kD>(kv, j0 + Lanes::row(pass)) + Lanes::column(quad) / 2;
            *reinterpret_cast<Pair *>(to.k + at) = *reinterpret_cast<Pair *>(to.v + at) = {0, 0};
        }
    }
    // Warp w has bits 16 w to 16 w + 15 of the tile's word.
    auto * bits = reinterpret_cast<uint16_t *>(to.bad + (kv * to.n_padded + j0) / kTileRows);
    if (lane_number() == 0) bits[warp_number()] = static_cast<uint16_t>(rows);
}

// The host's side: where it all lies in the scratch.

inline int64_t padded_rows(int64_t n) {
    return (n + kTileRows - 1) / kTileRows * kTileRows;
}
/// Cuts arrays from memory, each aligned to 64 bytes. At null it only counts.
class Cutter {
  public:
    explicit Cutter(std::byte * memory) : memory_(memory) {}
    template <typename T>
    T * cut(int64_t n) {
        std::byte * at = memory_ ? memory_ + bytes_ : nullptr;
        bytes_ += (static_cast<size_t>(n) * sizeof(T) + 63) / 64 * 64;
        return reinterpret_cast<T *>(at);
    }
    size_t bytes() const { return bytes_; }

  private:
    std::byte * memory_;
    size_t bytes_ = 0;
};
inline RoundedKeys cut_keys(Cutter & cutter, const Node & n) {
    const int64_t d = n.src[1]->ne(0), n_kv = n.src[1]->ne(1), padded = padded_rows(count_keys(n));
    RoundedKeys keys{};
    keys.k = cutter.cut<uint32_t>(n_kv * padded * d / 2);
    keys.v = cutter.cut<uint32_t>(n_kv * padded * d / 2);
    keys.bad = cutter.cut<uint64_t>(n_kv * padded / kTileRows);
    keys.n_padded = padded;
    return keys;
}

template <int kD>
Status round_keys(const Launch & l, const Heads & h, const RoundedKeys & to) {
    return run(l, round_keys_kernel<kD>,
               dim3(static_cast<unsigned>(to.n_padded / kTileRows), static_cast<unsigned>(h.n_kv)), kTileThreads, 0, h,
               cache_of(l, 1), cache_of(l, 2), to, h.n_keys > h.n_tokens);
}

/// f.operator()<d>() with the size of heads as a constant.
template <typename F>
Status with_head_size(int64_t d, const F & f) {
    switch (d) {
        case 64:
            return f.template operator()<64>();
        case 80:
            return f.template operator()<80>();
        case 96:
            return f.template operator()<96>();
        case 128:
            return f.template operator()<128>();
        default:
            return f.template operator()<256>();
    }
}

}  // namespace ql::cuda
