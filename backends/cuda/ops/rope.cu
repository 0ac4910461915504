// Rotary angles and their use: a thread takes a pair.
#include "backends/cuda/ops/elements.cuh"
#include "ggml/ops/params.hpp"
#include "ql/ops.h"

namespace ql::cuda {
namespace {

/// In f64, as the reference: at far positions an f32 product is wrong by a hundredth of a radian.
struct RopeTable {
    const int32_t * positions;
    const float * factors;  // may be absent
    float * table;
    int64_t n_pairs;
    RopeTableParams p;
    __device__ void operator()(int64_t at) const {
        const int64_t t = at / n_pairs, i = at % n_pairs;
        const double factor = factors ? static_cast<double>(factors[i]) : 1.0;
        const double frequency = static_cast<double>(p.scale) *
                                 pow(static_cast<double>(p.base), -2.0 * static_cast<double>(i) / p.n_rot) / factor;
        const double angle = positions[t] * frequency, m = static_cast<double>(p.magnitude);
        table[2 * at] = static_cast<float>(m * cos(angle));
        table[2 * at + 1] = static_cast<float>(m * sin(angle));
    }
};
Status rope_table(const Launch & l) {
    const auto p = l.params<RopeTableParams>();
    const RopeTable f{l.ids(0), l.has(1) ? l.x(1) : nullptr, l.y(0), p.n_rot / 2, p};
    return for_each(l, f, p.n_rot / 2 * l.in(0).ne(0));
}

/// Element numbers run over pairs first, then over the elements that are copied; a pair may lie in its own storage.
struct Rope {
    const float *x, *table;
    float * y;
    int64_t d, n_heads, n_rot;
    bool neox;
    float sign;
    __device__ void operator()(int64_t at) const {
        const int64_t each = d - n_rot / 2, row = at / each, i = at % each, t = row / n_heads;
        const float * from = x + row * d;
        float * to = y + row * d;
        if (i >= n_rot / 2) {
            to[i + n_rot / 2] = from[i + n_rot / 2];
            return;
        }
        const int64_t p = neox ? i : 2 * i, q = neox ? i + n_rot / 2 : 2 * i + 1;
        const float x0 = from[p], x1 = from[q], c = table[t * n_rot + 2 * i], s = sign * table[t * n_rot + 2 * i + 1];
        to[p] = x0 * c - x1 * s;
        to[q] = x0 * s + x1 * c;
    }
};
Status rope(const Launch & l) {
    const auto p = l.params<RopeParams>();
    const Shape & x = l.in(0).shape;
    const int64_t n_rot = l.in(1).ne(0);
    const Rope f{l.x(0), l.x(1), l.y(0), x[0], x[1], n_rot, p.mode == QL_ROPE_NEOX, p.inverse ? -1.0f : 1.0f};
    return for_each(l, f, (x[0] - n_rot / 2) * x[1] * x[2]);
}

}  // namespace

const Kernel kernel::rope_table = {.launch = ::ql::cuda::rope_table};
const Kernel kernel::rope = {.launch = ::ql::cuda::rope};
}  // namespace ql::cuda
