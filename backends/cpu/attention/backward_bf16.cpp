// The gradients of attention with products of bf16 in vdpbf16ps, in one sweep; what backward.cpp does in f32.
//
// Split: pairs of a block of queries and one of keys in waves, as in backward.cpp, so that each block's sums grow in
//   one order whatever the threads. With many blocks a task is a square of pairs, which share what they read. First,
//   passes over the blocks of keys and of queries pack them, once a launch.
// Traffic: a pair reads q and do of its rows (256 bytes a row at d = 64) and K, V, scale K of its keys (24 KB), and
//   adds to dq, dk and dv where they lie; what is kept of kSubRows rows between a pair's two halves is 48 KB in L2.
// Rounding: scale q, log2(e) k, scale k, v, do once; p and the gradients of the scores before the products that take
//   them in; all sums are f32.
// Constants: d 64, H 9/3, causal, Zen 5, one thread, of vdpbf16ps' peak, measured before and after each run: kSubRows
//   48, 96, 192 give .77, .76, .76 at T 512 and .76, .77, .76 at 2048; the f32 kernel .33 and .30. Squares of 1, 2, 4
//   blocks: .762, .768, .772 at T 2048, .741 and .784 for 1 and 4 at 4096. A tile of 6 rows x 64 keys with its three
//   products runs at .90, the products for dk and dv at .98. Reading q and do a second time as right operands from
//   memory, rather than interleaving them where they are at hand, cost 5 % at T 512. The powers of two between the
//   steps of the second product made nothing faster, nor did a tile's dq behind the scores of the next.
#include "backends/cpu/attention/shape.hpp"

#if defined(__AVX512BF16__)
#include "backends/cpu/attention/gradient_tile_bf16.inl"

namespace ql::cpu {
namespace {

/// Queries of a block: as many as keys, so that causal pairs are halves of squares.
constexpr int64_t kQueryBlock = kKeyBlock;
/// Rows whose probabilities are kept before dk and dv take them in: a multiple of the tile's.
constexpr int64_t kSubRows = 96;
/// A square of pairs is one task: as many squares on a side of all pairs, or of so many blocks.
constexpr int64_t kSquares = 8, kMaxSide = 4;

/// A thread's buffers.
struct Work {
    uint32_t *p, *ds;      // [kSubRows / 2][kKeyBlock]: probabilities and scores' gradients, pairs along the rows
    uint32_t *q, *d_o;     // [kSubRows / 2][width]: scale q and do, pairs along the rows
    uint32_t * ds_rows;    // [kTileRows][kKeyBlock / 2]: of a tile, pairs along the keys, from the first on
    float * exact;         // [kTileRows][kKeyBlock]: a tile's probabilities before they are rounded
    float * spare;         // [width]: what rows and keys that are not there add to
    float ** dq;           // [kSubRows]: rows of results
    float **dk, **dv;      // [kKeyBlock]
    int32_t *begin, *end;  // [kSubRows]: a row's keys within the block, empty: begin = kKeyBlock, end = 0

    Work(Carver & carve, const AttentionShape & s) {
        for (uint32_t ** to : {&p, &ds}) *to = carve.take<uint32_t>(kSubRows / 2 * kKeyBlock);
        for (uint32_t ** to : {&q, &d_o}) *to = carve.take<uint32_t>(kSubRows / 2 * s.width());
        ds_rows = carve.take<uint32_t>(kTileRows * kKeyBlock / 2);
        exact = carve.take<float>(kTileRows * kKeyBlock);
        spare = carve.take<float>(s.width());
        dq = carve.take<float *>(kSubRows);
        dk = carve.take<float *>(kKeyBlock);
        dv = carve.take<float *>(kKeyBlock);
        begin = carve.take<int32_t>(kSubRows);
        end = carve.take<int32_t>(kSubRows);
    }
};

struct Job {
    AttentionShape s;
    int32_t depth, q_pairs, width;
    const float *q, *k, *v, *o, *lse, *d_o;
    const int32_t * span;
    float *dq, *dk, *dv;
    // By key's head and block of keys: pairs along d of K and V, [depth][kKeyBlock]; pairs along the keys of scale K,
    // [kKeyBlock / 2][width]; whether they and what the block of queries of that number has are finite.
    uint32_t *keys, *values, *key_rows;
    uint8_t *key_finite, *query_finite;
    // By key's head, block of queries and row: pairs along d of scale q and of do, [q_pairs]; lse to base 2 and do . o,
    // both negated.
    uint32_t *queries, *d_out;
    float *base, *delta;
    int32_t *lowest, *highest;  // by block of queries: union of the ranges
    int32_t * wave;             // squares of a wave
    std::byte * work;
    size_t work_bytes;  // of a thread

    Job(const AttentionShape & shape, Carver & carve, int threads)
        : s(shape),
          depth(static_cast<int32_t>(ceil_div(s.d, 2))),
          q_pairs(static_cast<int32_t>(padded(depth))),
          width(static_cast<int32_t>(s.width())) {
        const int64_t blocks = s.n_kv * s.key_blocks(), rows = s.n_kv * query_blocks() * block_rows();
        for (uint32_t ** to : {&keys, &values}) *to = carve.take<uint32_t>(blocks * depth * kKeyBlock);
        key_rows = carve.take<uint32_t>(blocks * kKeyBlock / 2 * width);
        key_finite = carve.take<uint8_t>(blocks);
        query_finite = carve.take<uint8_t>(s.n_kv * query_blocks());
        for (uint32_t ** to : {&queries, &d_out}) *to = carve.take<uint32_t>(rows * q_pairs);
        for (float ** to : {&base, &delta}) *to = carve.take<float>(rows);
        for (int32_t ** to : {&lowest, &highest}) *to = carve.take<int32_t>(query_blocks());
        wave = carve.take<int32_t>(s.key_blocks());
        Carver count;
        Work(count, s);
        work_bytes = count.used();
        work = carve.take<std::byte>(static_cast<int64_t>(work_bytes) * threads);
    }

    int64_t query_blocks() const { return ceil_div(s.n_tokens, kQueryBlock); }
    /// Rows of a block of queries, padded to whole tiles, which are whole pairs.
    int64_t block_rows() const { return rows_of(0); }
    int64_t rows_of(int64_t query_block) const {
        const int64_t queries = smaller(kQueryBlock, s.n_tokens - query_block * kQueryBlock);
        return ceil_div(queries * s.group(), kTileRows) * kTileRows;
    }
    /// Blocks on a side of a square.
    int64_t side() const {
        const int64_t n = larger(query_blocks(), s.key_blocks()) / kSquares;
        return larger(1, smaller(n, kMaxSide));
    }
    Work work_of(int thread) const {
        Carver carve(work + work_bytes * static_cast<size_t>(thread));
        return Work(carve, s);
    }
};

/// For a block of keys of a head: packs K and V, and zeros in dk and dv.
void pack_keys(const Job & job, int64_t task) {
    const AttentionShape & s = job.s;
    const int64_t kv = task / s.key_blocks(), first = task % s.key_blocks() * kKeyBlock;
    const int64_t n = smaller(kKeyBlock, s.n_keys - first), stride = s.key_stride(), at = s.key(first, kv);
    Finite finite;
    pack_columns(job.k + at, stride, n, s.d, kLog2E, job.keys + task * job.depth * kKeyBlock, finite);
    pack_columns(job.v + at, stride, n, s.d, 1, job.values + task * job.depth * kKeyBlock, finite);
    pack_row_pairs(job.k + at, stride, n, s.d, s.scale, job.key_rows + task * kKeyBlock / 2 * job.width, job.width,
                   finite);
    job.key_finite[task] = finite.all();
    for (int64_t j = 0; j < n; ++j) {
        __builtin_memset(job.dk + at + j * stride, 0, static_cast<size_t>(s.d) * sizeof(float));
        __builtin_memset(job.dv + at + j * stride, 0, static_cast<size_t>(s.d) * sizeof(float));
    }
}

/// do . o of do as it was rounded: o is a mean of rounded values, and do . v - do . o of a row cancels only if both
/// sides have the same do.
float dot_rounded(const float * d_o, const float * o, int64_t n) {
    __m512 sum = _mm512_setzero_ps();
    for (int64_t i = 0; i < n; i += kLanes) {
        const __mmask16 mask = first_lanes(n - i);
        const auto bits = (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, d_o + i));
        const auto rounded = (__m512)_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16);
        sum = _mm512_fmadd_ps(rounded, _mm512_maskz_loadu_ps(mask, o + i), sum);
    }
    return _mm512_reduce_add_ps(sum);
}

/// For a block of queries of a key's head: packs q and do, do . o, and zeros in dq.
void pack_queries(const Job & job, int64_t task) {
    const AttentionShape & s = job.s;
    const int64_t kv = task / job.query_blocks(), t0 = task % job.query_blocks() * kQueryBlock, group = s.group();
    const int64_t rows = (smaller(t0 + kQueryBlock, s.n_tokens) - t0) * group, to = task * job.block_rows();
    const int64_t with_padding = job.rows_of(task % job.query_blocks());
    Finite finite;
    for (int64_t r = 0, t = t0, h = kv * group; r < with_padding; ++r) {
        const int64_t head = t * s.n_heads + h, at = head * s.d;
        const bool real = r < rows;
        uint32_t *q = job.queries + (to + r) * job.q_pairs, *d_o = job.d_out + (to + r) * job.q_pairs;
        if (real) {
            pack_row(job.q + at, s.d, s.scale, q, finite);
            pack_row(job.d_o + at, s.d, 1, d_o, finite);
            __builtin_memset(job.dq + at, 0, static_cast<size_t>(s.d) * sizeof(float));
        } else {
            __builtin_memset(q, 0, static_cast<size_t>(job.q_pairs) * sizeof(uint32_t));
            __builtin_memset(d_o, 0, static_cast<size_t>(job.q_pairs) * sizeof(uint32_t));
        }
        job.base[to + r] = real ? -job.lse[head] * kLog2E : 0;
        job.delta[to + r] = real ? -dot_rounded(job.d_o + at, job.o + at, s.d) : 0;
        if (++h == (kv + 1) * group) h = kv * group, ++t;
    }
    job.query_finite[task] = finite.all();
}

/// The union of the ranges of a block of queries.
void find_range(const Job & job, int64_t block) {
    const AttentionShape & s = job.s;
    int64_t lo = s.n_keys, hi = 0;
    for (int64_t t = block * kQueryBlock; t < smaller((block + 1) * kQueryBlock, s.n_tokens); ++t) {
        const KeyRange range = key_range(job.span, t, s.n_keys);
        if (range.begin < range.end) lo = smaller(lo, range.begin), hi = larger(hi, range.end);
    }
    job.lowest[block] = static_cast<int32_t>(lo);
    job.highest[block] = static_cast<int32_t>(hi);
}

/// A tile without keys.
void clear_tile(const Job & job, const Work & w, int32_t row) {
    const auto clear = [](uint32_t * p, int64_t n) { __builtin_memset(p, 0, static_cast<size_t>(n) * sizeof(*p)); };
    for (uint32_t * p : {w.p, w.ds}) clear(p + row / 2 * kKeyBlock, kTileRows / 2 * kKeyBlock);
    for (uint32_t * p : {w.q, w.d_o}) clear(p + row / 2 * job.width, kTileRows / 2 * job.width);
}

/// q and do of a tile's rows as right operands, while those of the tile after the next are fetched.
void interleave_tile(const Job & job, const Work & w, const GradientTile & t, int32_t row) {
    const int32_t n = kTileRows * job.q_pairs;
    fetch(t.q + 2 * n, n);
    fetch(t.d_o + 2 * n, n);
    for (int32_t r = 0; r < kTileRows; r += 2) {
        const int32_t from = r * job.q_pairs, to = (row + r) / 2 * job.width;
        interleave_rows(t.q + from, t.q + from + job.q_pairs, job.width, w.q + to);
        interleave_rows(t.d_o + from, t.d_o + from + job.q_pairs, job.width, w.d_o + to);
    }
}

/// dq of a tile's rows takes in ds K.
void add_dq(const Job & job, const GradientTile & t, const uint32_t * key_rows) {
    const int32_t first = t.lo / 2, depth = (t.hi + 1) / 2 - first;
    multiply<kTileRows>({t.ds_rows + (t.lo - t.first) / 2, kKeyBlock / 2, 1},
                        {key_rows + first * job.width, job.width, depth}, t.dq, job.s.d);
}

/// Probabilities, gradients of scores and dq of n rows of a pair from row number `at` on.
void score_rows(const Job & job, const Work & w, int64_t at, int32_t n, int64_t block) {
    const uint32_t * key_rows = job.key_rows + block * kKeyBlock / 2 * job.width;
    GradientTile t;
    for (int32_t row = 0; row < n; row += kTileRows) {
        t.begin = w.begin + row, t.end = w.end + row, t.dq = w.dq + row;
        if (!find_keys(t)) {
            clear_tile(job, w, row);
            continue;
        }
        t.q = job.queries + (at + row) * job.q_pairs, t.d_o = job.d_out + (at + row) * job.q_pairs;
        t.q_pairs = job.q_pairs, t.depth = job.depth;
        t.base = job.base + at + row, t.delta = job.delta + at + row;
        t.keys = job.keys + block * job.depth * kKeyBlock, t.values = job.values + block * job.depth * kKeyBlock;
        t.exact = w.exact, t.ds_rows = w.ds_rows;
        t.p = w.p + row / 2 * kKeyBlock, t.ds = w.ds + row / 2 * kKeyBlock;
        interleave_tile(job, w, t, row);
        score_gradients(t);
        add_dq(job, t, key_rows);
    }
}

/// dk and dv of keys [j, j + kKeys) take in n rows.
template <int kKeys>
void add_keys(const Job & job, const Work & w, int32_t n, int32_t j) {
    int32_t r0 = 0, r1 = n;
    while (r0 < r1 && (w.begin[r0] >= j + kKeys || w.end[r0] <= j)) ++r0;
    while (r0 < r1 && (w.begin[r1 - 1] >= j + kKeys || w.end[r1 - 1] <= j)) --r1;
    if (r0 >= r1) return;
    const int32_t first = r0 / 2, depth = (r1 + 1) / 2 - first;
    const int32_t from = first * job.width;
    multiply<kKeys>({w.p + first * kKeyBlock + j, 1, kKeyBlock}, {w.d_o + from, job.width, depth}, w.dv + j, job.s.d);
    multiply<kKeys>({w.ds + first * kKeyBlock + j, 1, kKeyBlock}, {w.q + from, job.width, depth}, w.dk + j, job.s.d);
}

/// Ranges and results of rows [row, row + n) of a block of queries, as rows 0 to n; n is padded to whole tiles.
void start_rows(const Job & job, const Work & w, int64_t t0, int64_t kv, int64_t base, int64_t row, int64_t n) {
    const AttentionShape & s = job.s;
    const int64_t group = s.group();
    for (int64_t r = 0, t = t0 + row / group, h = row % group; r < n; ++t, h = 0) {
        int64_t lo = kKeyBlock, hi = 0;
        if (t < smaller(t0 + kQueryBlock, s.n_tokens)) {
            const KeyRange range = key_range(job.span, t, s.n_keys);
            lo = larger(range.begin - base, 0), hi = smaller(range.end - base, kKeyBlock);
        }
        const bool any = lo < hi;
        for (; h < group && r < n; ++h, ++r) {
            w.begin[r] = static_cast<int32_t>(any ? lo : kKeyBlock);
            w.end[r] = static_cast<int32_t>(any ? hi : 0);
            w.dq[r] = any ? job.dq + s.query(t, kv) + h * s.d : w.spare;
        }
    }
}

void back_pair(const Job & job, const Work & w, int64_t key_block, int64_t query_block, int64_t kv) {
    const AttentionShape & s = job.s;
    const int64_t base = key_block * kKeyBlock, block = kv * s.key_blocks() + key_block;
    const int64_t first = (kv * job.query_blocks() + query_block) * job.block_rows();
    for (int64_t j = 0; j < kKeyBlock; ++j) {
        const bool real = base + j < s.n_keys;
        w.dk[j] = real ? job.dk + s.key(base + j, kv) : w.spare;
        w.dv[j] = real ? job.dv + s.key(base + j, kv) : w.spare;
    }
    const int64_t rows = job.rows_of(query_block);
    for (int64_t row = 0; row < rows; row += kSubRows) {
        const auto n = static_cast<int32_t>(smaller(kSubRows, rows - row));
        start_rows(job, w, query_block * kQueryBlock, kv, base, row, n);
        score_rows(job, w, first + row, n, block);
        int32_t j = 0;
        for (; j + kTileRows <= kKeyBlock; j += kTileRows) add_keys<kTileRows>(job, w, n, j);
        add_keys<kKeyBlock % kTileRows>(job, w, n, j);
    }
}

bool any_sees(const Job & job, int64_t query_block, int64_t key_block) {
    return query_block < job.query_blocks() && job.lowest[query_block] < (key_block + 1) * kKeyBlock &&
           job.highest[query_block] > key_block * kKeyBlock;
}

/// All pairs of a square that starts with a block of keys and a block of queries.
void back_square(const Job & job, int64_t key_block, int64_t query_block, int64_t kv, int thread) {
    const Work w = job.work_of(thread);
    for (int64_t q = query_block; q < query_block + job.side(); ++q)
        for (int64_t k = key_block; k < smaller(key_block + job.side(), job.s.key_blocks()); ++k)
            if (any_sees(job, q, k)) back_pair(job, w, k, q, kv);
}

/// The squares of wave w of n in which a query sees a key, as numbers of their keys.
int64_t list_wave(const Job & job, int64_t w, int64_t n) {
    const int64_t side = job.side();
    int64_t count = 0;
    for (int64_t c = 0; c * side < job.s.key_blocks(); ++c) {
        bool any = false;
        for (int64_t i = 0; i < side * side && !any; ++i)
            any = any_sees(job, (c + w) % n * side + i / side, c * side + i % side);
        if (any) job.wave[count++] = static_cast<int32_t>(c);
    }
    return count;
}

bool all_finite(const uint8_t * finite, int64_t n) {
    for (int64_t i = 0; i < n; ++i)
        if (!finite[i]) return false;
    return true;
}

}  // namespace

size_t attention_gradients_bf16_scratch(const AttentionShape & s, int threads) {
    Carver count;
    const Job job(s, count, threads);
    const size_t f32 = attention_gradients_scratch(s, threads);
    return count.used() < f32 ? f32 : count.used();
}

Status attention_gradients_bf16(const Launch & l) {
    Pool & pool = device_of(l).pool;
    Carver carve(l.scratch);
    Job job(AttentionShape(l.node), carve, pool.threads());
    job.q = l.x(0), job.k = l.x(1), job.v = l.x(2), job.o = l.x(3), job.lse = l.x(4), job.d_o = l.x(5),
    job.span = l.ids(6);
    job.dq = l.y(0), job.dk = l.y(1), job.dv = l.y(2);
    const AttentionShape & s = job.s;
    const int64_t key_tasks = s.n_kv * s.key_blocks(), query_tasks = s.n_kv * job.query_blocks();
    pool.run(key_tasks, [&](int64_t task, int) { pack_keys(job, task); });
    pool.run(query_tasks, [&](int64_t task, int) { pack_queries(job, task); });
    if (!all_finite(job.key_finite, key_tasks) || !all_finite(job.query_finite, query_tasks))
        return attention_gradients(l);
    pool.run(job.query_blocks(), [&](int64_t block, int) { find_range(job, block); });
    const int64_t side = job.side(), n = ceil_div(larger(job.query_blocks(), s.key_blocks()), side);
    for (int64_t w = 0; w < n; ++w)
        pool.run(list_wave(job, w, n) * s.n_kv, [&](int64_t task, int thread) {
            const int64_t c = job.wave[task / s.n_kv];
            back_square(job, c * side, (c + w) % n * side, task % s.n_kv, thread);
        });
    return {};
}

}  // namespace ql::cpu

#else  // no such processor: the device never takes this path

namespace ql::cpu {
size_t attention_gradients_bf16_scratch(const AttentionShape & s, int threads) {
    return attention_gradients_scratch(s, threads);
}
Status attention_gradients_bf16(const Launch & l) {
    return attention_gradients(l);
}
}  // namespace ql::cpu
#endif
