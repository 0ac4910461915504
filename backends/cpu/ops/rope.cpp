// Rotates pairs of the first n_rot elements of every head by the table's angles.
// Split: tokens, about kPiece elements a task. Works in place: a pair is read before it is written.
// y may be bf16: a head is then rotated in L1 and rounded from there.
// Traffic: a read and a write of x; a token's row of the table stays in L1 for all its heads. Cosines and sines
// alternate in the table, as pairs do in normal mode: Highway's interleaved loads take both apart.
#include "backends/cpu/stream.hpp"

#include "ggml/ops/params.hpp"
#include "ql/ops.h"

#include <algorithm>

#ifndef QL_CPU_ROPE_ONCE
#define QL_CPU_ROPE_ONCE
namespace ql::cpu {
/// Longest head that is rotated in a buffer.
inline constexpr int64_t kMostHead = 1024;

struct RopeJob {
    const float *x, *table;
    StreamOut y;
    int64_t d, heads, n_rot;
    float sign;
    bool neox;
};
}  // namespace ql::cpu
#endif

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/ops/rope.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "backends/cpu/vec.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

/// One head of 2 `pairs` numbers; sign is -1 for the inverse rotation.
template <bool kNeox>
void rotate(const float * x, const float * table, float * y, int64_t pairs, float sign) {
    const Vec direction = hn::Set(kF32, sign);
    int64_t i = 0;
    for (; i + kLanes <= pairs; i += kLanes) {
        Vec cos, sin, x0, x1;
        hn::LoadInterleaved2(kF32, table + 2 * i, cos, sin);
        sin = hn::Mul(sin, direction);
        if constexpr (kNeox)
            x0 = hn::LoadU(kF32, x + i), x1 = hn::LoadU(kF32, x + pairs + i);
        else
            hn::LoadInterleaved2(kF32, x + 2 * i, x0, x1);
        const Vec y0 = hn::MulSub(x0, cos, hn::Mul(x1, sin)), y1 = hn::MulAdd(x0, sin, hn::Mul(x1, cos));
        if constexpr (kNeox)
            hn::StoreU(y0, kF32, y + i), hn::StoreU(y1, kF32, y + pairs + i);
        else
            hn::StoreInterleaved2(y0, y1, kF32, y + 2 * i);
    }
    for (; i < pairs; ++i) {
        const int64_t a = kNeox ? i : 2 * i, b = kNeox ? pairs + i : 2 * i + 1;
        const float cos = table[2 * i], sin = sign * table[2 * i + 1], x0 = x[a], x1 = x[b];
        y[a] = x0 * cos - x1 * sin;
        y[b] = x0 * sin + x1 * cos;
    }
}

void turn_head(const RopeJob & job, const float * x, const float * table, float * y) {
    (job.neox ? rotate<true> : rotate<false>)(x, table, y, job.n_rot / 2, job.sign);
    if (x != y) std::copy(x + job.n_rot, x + job.d, y + job.n_rot);
}

void turn_head(const RopeJob & job, const float * x, const float * table, uint16_t * y) {
    alignas(64) float buffer[kMostHead];
    turn_head(job, x, table, buffer);
    for (int64_t i = 0; i < job.d; i += kLanes) store_part(load_part(buffer + i, job.d - i), y + i, job.d - i);
}

void rope_tokens(const RopeJob & job, int64_t first, int64_t last) {
    with_type(job.y, [&](auto * y) {
        for (int64_t t = first; t < last; ++t)
            for (int64_t h = 0; h < job.heads; ++h) {
                const int64_t at = (t * job.heads + h) * job.d;
                turn_head(job, job.x + at, job.table + t * job.n_rot, y + at);
            }
    });
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
namespace {
HWY_EXPORT(rope_tokens);

Status launch_rope(const Launch & l) {
    const auto run = &HWY_DYNAMIC_DISPATCH(rope_tokens);
    const auto p = l.params<RopeParams>();
    const RopeJob job{l.x(0),        l.x(1),        stream_out(l, 0),         l.in(0).ne(0),
                      l.in(0).ne(1), l.in(1).ne(0), p.inverse ? -1.0f : 1.0f, p.mode == QL_ROPE_NEOX};
    split_rows(device_of(l).pool, l.in(0).ne(2), job.d * job.heads,
               [&](int64_t first, int64_t last) { run(job, first, last); });
    return {};
}

bool writes_bf16_rope(const Node & n, size_t) {
    return n.src[0]->ne(0) <= kMostHead;
}

}  // namespace

const Kernel kernel::rope = {.launch = launch_rope, .writes_bf16 = writes_bf16_rope};

}  // namespace ql::cpu
#endif
