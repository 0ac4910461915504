// What the attention kernels share: sizes, and the blocks that work is cut into.
//
// Queries are handled as rows: row r of a block of queries is head r mod G of the group that shares a key's head, of
// query r / G. Rows of one query see the same keys.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "backends/cpu/device.hpp"
#include "backends/cpu/scratch.hpp"
#include "ggml/ops/attention.hpp"

namespace ql::cpu {

/// Keys of a block: four AVX-512 vectors. K, its transpose and V of a block are 16 KB each at d = 64.
inline constexpr int64_t kKeyBlock = 64;
static_assert(kLeastPage % kKeyBlock == 0);
/// Rows of packed buffers are padded to this, the longest vector, and zero behind d.
inline constexpr int64_t kPad = 16;
/// The most rows of a tile of f32 products, on any instruction set.
inline constexpr int64_t kMaxTileRows = 8;

inline int64_t ceil_div(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}
inline int64_t padded(int64_t n) {
    return ceil_div(n, kPad) * kPad;
}

struct AttentionShape {
    int64_t d, n_heads, n_tokens, n_kv, n_keys;
    float scale, cap;         // of q . k; the soft cap of that, 0: none
    KeyRows rows;             // of a launch: where the keys lie
    int64_t first_block = 0;  // of a launch: no query sees a key of the blocks before it

    explicit AttentionShape(const Node & n)
        : d(n.src[0]->ne(0)),
          n_heads(n.src[0]->ne(1)),
          n_tokens(n.src[0]->ne(2)),
          n_kv(n.src[1]->ne(1)),
          n_keys(count_keys(n)),
          scale(n.params.as<AttentionParams>().scale),
          cap(n.params.as<AttentionParams>().cap) {}

    /// The shape of a launch, less the keys behind the last that a query sees: a cache has room for more than it holds.
    /// Blocks before first_block are not read either: under a sliding window all queries may be far behind them.
    static AttentionShape of_seen_keys(const Launch & l);
    int64_t group() const { return n_heads / n_kv; }
    int64_t width() const { return padded(d); }
    int64_t key_blocks() const { return ceil_div(n_keys, kKeyBlock); }
    int64_t seen_blocks() const { return key_blocks() - first_block; }
    /// Offset of a query's first head of a group; its G heads follow each other.
    int64_t query(int64_t t, int64_t kv) const { return (t * n_heads + kv * group()) * d; }
    /// Offset of a key's head; the keys of a block, which is within a page, follow it key_stride() apart.
    int64_t key(int64_t j, int64_t kv) const { return (rows.row(j) * n_kv + kv) * d; }
    int64_t key_stride() const { return n_kv * d; }
    /// Floats of all transposed blocks of K or of V.
    int64_t transposed() const { return n_kv * key_blocks() * d * kKeyBlock; }
};

/// Block number i of n in an order in which every two neighbours weigh the same when weight grows with the number, as
/// it does in causal attention: 0, n - 1, 1, n - 2 ...; then contiguous shares of the threads weigh the same too.
inline int64_t balanced(int64_t i, int64_t n) {
    return i % 2 == 0 ? i / 2 : n - 1 - i / 2;
}

/// Few queries, as in generation: split over keys as well, and read K and V where they lie.
inline constexpr int64_t kFewTokens = 8;

Status attention_blocks(const Launch & l);
size_t attention_blocks_scratch(const AttentionShape & s, int threads);
Status attention_few(const Launch & l);
size_t attention_few_scratch(const AttentionShape & s, int threads);
Status attention_gradients(const Launch & l);
size_t attention_gradients_scratch(const AttentionShape & s, int threads);

}  // namespace ql::cpu
