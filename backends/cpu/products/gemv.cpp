// Products with up to four tokens, one source for every instruction set; those of nf4 in bf16 are in gemv_bf16.cpp.
//
// Split of work: rows of W, in tasks of about 16 KB. Memory traffic: every packed byte of W once; x stays in L1.
// A run of the weight is decoded in registers and multiplied with each token's x there. Where values are a scale times
// a unit, units are multiplied and the sum of a run is scaled. The order of a sum depends on the row length and the
// vector length alone, so a token gives the same bits alone as among others.
//
// Rows go one after the other: one stream is what processors prefetch, and four side by side read at half the speed.
// Even so they fall short of the bandwidth where much is to be decoded, as few lines are then under way at once (at 12
// instructions for 32 bytes, out-of-order execution looks 1 KB ahead); a prefetch far ahead helps: Zen 5, one thread,
// AVX-512, 262144 x 576, GB/s at 0.5 / 1 / 2 / 4 / 8 KB ahead: q8_0 17 / 26 / 27 / 33 / 35. Xeon with AMX, two threads,
// SmolLM2-135M in q4_1, without / with it: 41 / 80 tokens/s.
//
// In AVX2 decoding nf4 is the limit: 64 weights take 25 shuffles, and with the rest 13 cycles of Zen 3's ports and 25
// of Skylake's, which has one port for them (llvm-mca of the loop); they take 13 on Zen 5, which is 20 Gweights/s of
// nf4 and, with decoding the scales, 19 of nf4_dq. Two chains of sums changed nothing.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/products/gemv.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>

#include "backends/cpu/products/decode.inl"
#include "backends/cpu/products/gemv.hpp"
#include "backends/cpu/products/gemv_rows.hpp"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

constexpr int kSums = 4;

/// What is left of a row of an unblocked format after its last run.
template <class Format>
float tail_dot(const Weight & w, int64_t first, int64_t count, const float * x) {
    float values[kRun<Format>], sum = 0;
    Format::decode(w.data, w.elements(), first, count, values);
    for (int64_t i = 0; i < count; ++i) sum += values[i] * x[i];
    return sum;
}

/// Of a format whose blocks lie one after the other.
template <class Format>
constexpr int64_t kRunBytes =
    static_cast<int64_t>(sizeof(typename Format::Block)) * kRun<Format> / Format::block_length;

/// y[t] = row . x[t] for T tokens.
template <class Format, int T>
HWY_INLINE void dot_row(const Weight & w, const Planes<Format> & planes, int64_t row, const float * x, float (&y)[T]) {
    const DF d;
    constexpr int64_t run = kRun<Format>;
    const int64_t k = w.k, first = row * k;
    const char * ahead = static_cast<const char *>(w.data) + first / run * kRunBytes<Format> + kAheadBytes;
    VF sum[T][kSums];
    HWY_UNROLL(4)
    for (int t = 0; t < T; ++t) {
        HWY_UNROLL(4)
        for (int s = 0; s < kSums; ++s) sum[t][s] = hn::Zero(d);
    }
    int64_t i = 0;
    for (; i + run <= k; i += run, ahead += kRunBytes<Format>) {
        for (int64_t line = 0; line < kRunBytes<Format>; line += 64) __builtin_prefetch(ahead + line);
        decode_run<Format>(planes, first + i, [&](int j, VF v) HWY_ATTR {
            const int s = j / kLanes % kSums;
            HWY_UNROLL(4)
            for (int t = 0; t < T; ++t) sum[t][s] = hn::MulAdd(v, hn::LoadU(d, x + t * k + i + j), sum[t][s]);
        });
    }
    HWY_UNROLL(4)
    for (int t = 0; t < T; ++t) {
        const VF all = hn::Add(hn::Add(sum[t][0], sum[t][1]), hn::Add(sum[t][2], sum[t][3]));
        y[t] = hn::GetLane(hn::SumOfLanes(d, all));
        if (i < k) y[t] += tail_dot<Format>(w, first + i, k - i, x + t * k + i);
    }
}

/// y[t] = the dot product of `runs` runs from `first` on with T tokens; scale(i) is that of the i-th. For formats with
/// units.
template <class Format, int T, class Scale>
HWY_INLINE void dot_units(const Planes<Format> & planes, int64_t first, int64_t runs, const float * x, int64_t k,
                          const Scale & scale, float (&y)[T]) {
    const DF d;
    VF sum[T];
    HWY_UNROLL(4)
    for (int t = 0; t < T; ++t) sum[t] = hn::Zero(d);
    for (int64_t i = 0; i < runs; ++i) {
        __builtin_prefetch(codes_of(planes, first + i) + kAheadBytes);
        VF dot[T];
        HWY_UNROLL(4)
        for (int t = 0; t < T; ++t) dot[t] = hn::Zero(d);
        decode_units(planes, first + i, [&](int j, VF v) HWY_ATTR {
            HWY_UNROLL(4)
            for (int t = 0; t < T; ++t) {
                const VF other = hn::LoadU(d, x + t * k + i * kRun<Format> + j);
                dot[t] = j == 0 ? hn::Mul(v, other) : hn::MulAdd(v, other, dot[t]);
            }
        });
        const VF factor = hn::Set(d, scale(i));
        HWY_UNROLL(4)
        for (int t = 0; t < T; ++t) sum[t] = hn::MulAdd(dot[t], factor, sum[t]);
    }
    HWY_UNROLL(4)
    for (int t = 0; t < T; ++t) y[t] = hn::GetLane(hn::SumOfLanes(d, sum[t]));
}

#if HWY_MAX_BYTES == 64
// nf4_dq with 16 lanes. 64 bytes, the codes of two blocks, are loaded as 16 words of 32 bits: shifted by 0, 4 ... 28
// bits, their lowest four are the indices of eight lookups, without a widening load for each two. x is arranged once in
// the order in which the codes then come, those of the first block in the lower half of the lanes.
//
// A pair of blocks is 31 instructions, of them 8 lookups, 7 shifts and 10 multiplications, which share four ports: 6.3
// cycles at least, 8 as it runs (64 Gweights/s at 4.2 GHz), and 1.5 more for its scales. Neither other numbers of
// chains nor rows that share x made it faster. Zen 5, one thread, Gweights/s: 288 x 2048, in L2, 54 (44 a block at a
// time); 16384 x 4096, from memory, 54 (43). nf4, whose scales are a second stream, gains in L2 (54 to 62) and loses
// from memory (54 to 43), for a reason not found: it takes its blocks one by one.
#include "backends/cpu/products/nf4_scales.inl"

constexpr int64_t kPair = 128;
constexpr int kChains = 2;

int64_t arranged_stride(int64_t k) {
    return (k + kPair - 1) / kPair * kPair;
}

/// `to` has arranged_stride(k) numbers, zeros where a row's last block has no neighbour.
void arrange(const float * x, int64_t k, float * to) {
    const DF d;
    for (int64_t i = 0; i < k; i += kPair, to += kPair) {
        VF a[4], b[4] = {hn::Zero(d), hn::Zero(d), hn::Zero(d), hn::Zero(d)};
        hn::LoadInterleaved4(d, x + i, a[0], a[1], a[2], a[3]);
        if (i + 64 < k) hn::LoadInterleaved4(d, x + i + 64, b[0], b[1], b[2], b[3]);
        for (int byte = 0; byte < 4; ++byte) {
            hn::StoreU(hn::ConcatLowerLower(d, b[byte], a[byte]), d, to + byte * 32);
            hn::StoreU(hn::ConcatUpperUpper(d, b[byte], a[byte]), d, to + byte * 32 + 16);
        }
    }
}

/// to[][t] += a pair of blocks times arranged x of T tokens; scale: of either in its half of the lanes.
template <int T>
HWY_INLINE void add_pair(VU codes, VF scale, const float * x, int64_t stride, VF (&to)[kChains][T]) {
    const DF d;
    const VF codebook = hn::LoadU(d, kNF4Codebook);
    VF dot[kChains][T];
    const auto add = [&](int i, VU index) HWY_ATTR {
        const VF v = hn::TableLookupLanes(codebook, hn::Indices512<float>{index.raw});
        HWY_UNROLL(4)
        for (int t = 0; t < T; ++t) {
            const VF other = hn::LoadU(d, x + t * stride + i * 16);
            VF & sum = dot[i % kChains][t];
            sum = i < kChains ? hn::Mul(v, other) : hn::MulAdd(v, other, sum);
        }
    };
    add(0, codes), add(1, hn::ShiftRight<4>(codes)), add(2, hn::ShiftRight<8>(codes));
    add(3, hn::ShiftRight<12>(codes)), add(4, hn::ShiftRight<16>(codes)), add(5, hn::ShiftRight<20>(codes));
    add(6, hn::ShiftRight<24>(codes)), add(7, hn::ShiftRight<28>(codes));
    HWY_UNROLL(4)
    for (int t = 0; t < T; ++t) {
        HWY_UNROLL(4)
        for (int c = 0; c < kChains; ++c) to[c][t] = hn::MulAdd(dot[c][t], scale, to[c][t]);
    }
}

template <int T>
HWY_INLINE void dot_pairs(const Planes<NF4_DQ> & planes, int64_t first, int64_t blocks, const float * x, int64_t stride,
                          const float * scales, float (&y)[T]) {
    const DF d;
    const DU du;
    const auto lower = hn::FirstN(d, 8);
    const uint8_t * codes = planes.at.codes + first * 32;
    VF sum[kChains][T];
    HWY_UNROLL(4)
    for (int t = 0; t < T; ++t) {
        HWY_UNROLL(4)
        for (int c = 0; c < kChains; ++c) sum[c][t] = hn::Zero(d);
    }
    int64_t i = 0;
    for (; i + 2 <= blocks; i += 2, codes += 64, x += kPair) {
        __builtin_prefetch(codes + kAheadBytes);
        const VU words = hn::LoadU(du, reinterpret_cast<const uint32_t *>(codes));
        add_pair(words, hn::IfThenElse(lower, hn::Set(d, scales[i]), hn::Set(d, scales[i + 1])), x, stride, sum);
    }
    if (i < blocks) {
        const hn::Half<DU> half;
        const auto words = hn::LoadU(half, reinterpret_cast<const uint32_t *>(codes));
        add_pair(hn::ZeroExtendVector(du, words), hn::Set(d, scales[i]), x, stride, sum);
    }
    HWY_UNROLL(4)
    for (int t = 0; t < T; ++t) y[t] = hn::GetLane(hn::SumOfLanes(d, hn::Add(sum[0][t], sum[1][t])));
}
#else
/// nf4_pieces' decode: loads one by one, then the arithmetic in vectors. A scale at a time where it is used cost a
/// third of the speed.
HWY_INLINE void decode_scales(const NF4DQLayout & at, int64_t first, int64_t count, float * out) {
    const DF d;
    for (int64_t i = 0; i < count; ++i) hwy::CopyBytes<4>(&kDynamicMapSigned[at.absmax_codes[first + i]], out + i);
    const VF offset = hn::Set(d, at.offset);
    for (int64_t i = 0; i < count;) {
        const int64_t group = (first + i) / NF4_DQ::group_blocks;
        const int64_t end = HWY_MIN(count, (group + 1) * NF4_DQ::group_blocks - first);
        const VF most = hn::Set(d, at.absmax2[group]);
        for (; i + kLanes <= end; i += kLanes)
            hn::StoreU(hn::Add(hn::Mul(hn::LoadU(d, out + i), most), offset), d, out + i);
        for (; i < end; ++i) out[i] = at.absmax(first + i);
    }
}

int64_t arranged_stride(int64_t) {
    return 0;
}
void arrange(const float *, int64_t, float *) {}
#endif

/// Rows [first, last) of an nf4 weight.
template <class Format, int T>
HWY_INLINE void dot_nf4_rows(const Product & p, const float * x, int64_t first, int64_t last, const float * add,
                             float * c) {
    const Planes<Format> planes(p.w);
    nf4_pieces(
        p.w, first, last, add, c, decode_scales,
        [&](int64_t row, int64_t end, int64_t block, int64_t blocks, const float * scales, const float * to) HWY_ATTR {
            for (; row < end; ++row, scales += blocks) {
                float y[1][T];
                const int64_t at = row * (p.w.k / 64) + block;
                const float * from = x + block * 64;
#if HWY_MAX_BYTES == 64
                if constexpr (std::is_same_v<Format, NF4_DQ>)
                    dot_pairs(planes, at, blocks, from, arranged_stride(p.w.k), scales, y[0]);
                else
#endif
                    dot_units<Format>(
                        planes, at, blocks, from, p.w.k, [&](int64_t i) HWY_ATTR { return scales[i]; }, y[0]);
                store_dots(p, row, y, to, c);
            }
        });
}

template <class Format, int T>
void dot_rows(const Product & p, const void * operand, int64_t first, int64_t last, const float * add, float * c) {
    const auto * x = static_cast<const float *>(operand);
    if constexpr (kIsNF4<Format>) return dot_nf4_rows<Format, T>(p, x, first, last, add, c);
    const Planes<Format> planes(p.w);
    for (int64_t row = first; row < last; ++row) {
        float y[1][T];
        if constexpr (kHasUnits<Format>) {
            const int64_t runs = p.w.k / kRun<Format>;
            dot_units<Format>(
                planes, row * runs, runs, x, p.w.k,
                [&](int64_t i) HWY_ATTR { return scale_of(planes, row * runs + i); }, y[0]);
        } else {
            dot_row<Format, T>(p.w, planes, row, x, y[0]);
        }
        store_dots(p, row, y, add, c);
    }
}

DotRows choose_dot_rows(ql_dtype dtype, int64_t tokens) {
    return visit(dtype, [&](auto format) -> DotRows {
        using Format = decltype(format);
        constexpr DotRows by_tokens[] = {dot_rows<Format, 1>, dot_rows<Format, 2>, dot_rows<Format, 3>,
                                         dot_rows<Format, 4>};
        return by_tokens[tokens - 1];
    });
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
HWY_EXPORT(choose_dot_rows);
HWY_EXPORT(arranged_stride);
HWY_EXPORT(arrange);

namespace {

DotRows bf16_kernel(const CpuDevice & cpu, const Product & p, int64_t tokens) {
    return cpu.bf16 && tokens > 0 ? nf4_dot_rows_bf16(p.w.dtype, tokens) : nullptr;
}

/// Rows of a task: about 16 KB of the largest weight, whole groups of four.
int64_t rows_of_task(const ProductSum & s) {
    size_t row = 1;
    for (const Product & p : s.products)
        row = std::max(row, ql_dtype_bytes(p.w.dtype, p.w.elements()) / static_cast<size_t>(p.w.m));
    return std::clamp<int64_t>(static_cast<int64_t>((size_t{16} << 10) / row) / 4 * 4, 4, 64);
}

/// Of x in another order, if that is what the f32 kernel takes.
size_t arranged_bytes(const Product & p, int64_t rows) {
    if (p.w.dtype != QL_NF4_DQ) return 0;
    return static_cast<size_t>(HWY_DYNAMIC_DISPATCH(arranged_stride)(p.w.k) * rows) * sizeof(float);
}

/// Takes arranged_bytes of scratch.
const float * arranged_rows(const Product & p, int64_t rows, std::byte *& scratch) {
    const int64_t stride = HWY_DYNAMIC_DISPATCH(arranged_stride)(p.w.k);
    auto * to = reinterpret_cast<float *>(scratch);
    scratch += arranged_bytes(p, rows);
    for (int64_t t = 0; t < rows; ++t) HWY_DYNAMIC_DISPATCH(arrange)(p.a_f32() + t * p.w.k, p.w.k, to + t * stride);
    return to;
}

}  // namespace

size_t gemv_scratch(const ProductSum & s, const CpuDevice & cpu) {
    size_t bytes = 0;
    for (const Product & p : s.products)
        if (bf16_kernel(cpu, p, s.rows))
            bytes += bf16_rows_bytes(p.w.k, s.rows);
        else
            bytes += arranged_bytes(p, s.rows);
    return bytes;
}

void gemv(CpuDevice & cpu, const ProductSum & s, std::byte * scratch) {
    if (s.rows < 1 || s.products[0].w.m < 1) return;
    struct Task {
        DotRows dot;
        const void * x;
    };
    std::array<Task, kMaxTerms> tasks;
    for (size_t i = 0; i < s.products.size(); ++i) {
        const Product & p = s.products[i];
        tasks[i] = {bf16_kernel(cpu, p, s.rows), p.a};
        if (!tasks[i].dot) {
            tasks[i].dot = HWY_DYNAMIC_DISPATCH(choose_dot_rows)(p.w.dtype, s.rows);
            if (arranged_bytes(p, s.rows) > 0) tasks[i].x = arranged_rows(p, s.rows, scratch);
            continue;
        }
        auto * rounded = reinterpret_cast<uint16_t *>(scratch);
        scratch += bf16_rows_bytes(p.w.k, s.rows);
        round_rows(cpu.pool, p.a_f32(), p.w.k, s.rows, rounded);
        tasks[i].x = rounded;
    }
    auto * c = static_cast<float *>(s.c);
    const int64_t m = s.products[0].w.m, rows = rows_of_task(s);
    cpu.pool.run((m + rows - 1) / rows, [&](int64_t task, int) {
        const int64_t first = task * rows, last = std::min(m, first + rows);
        const float * add = s.add;
        for (size_t i = 0; i < s.products.size(); ++i, add = c)
            tasks[i].dot(s.products[i], tasks[i].x, first, last, add, c);
    });
}

}  // namespace ql::cpu
#endif
