// Steps of the optimizers: each element is read and written once. With states of f32 a thread takes elements; with states of
// 8 bits a block of threads takes a block of states, whose largest magnitude it finds before it encodes them.
#include "backends/cuda/ops/elements.cuh"
#include "ggml/dtypes/dynamic_map.hpp"
#include "ggml/ops/params.hpp"
#include "ql/optim.h"

namespace ql::cuda {
namespace {

/// As in ggml/ops/optimizer.hpp: computed in f64, rounded once.
struct Scalars {
    float clip, b1, c1, b2, c2, unbias1, unbias2, eps, lr, keep;
};
__device__ Scalars scalars_of(const float * hyper, double norm, double lr_scale) {
    const double clip = hyper[QL_HYPER_CLIP], lr = hyper[QL_HYPER_LR] * lr_scale, b1 = hyper[QL_HYPER_BETA1],
                 b2 = hyper[QL_HYPER_BETA2];
    const double cut = clip / (norm + 1e-6);
    return {static_cast<float>(clip > 0 && cut < 1 ? cut : 1.0),
            static_cast<float>(b1),
            static_cast<float>(1 - b1),
            static_cast<float>(b2),
            static_cast<float>(1 - b2),
            static_cast<float>(1 / static_cast<double>(hyper[QL_HYPER_BIAS1])),
            static_cast<float>(1 / static_cast<double>(hyper[QL_HYPER_BIAS2])),
            hyper[QL_HYPER_EPS],
            static_cast<float>(lr),
            static_cast<float>(1 - lr * static_cast<double>(hyper[QL_HYPER_DECAY]))};
}

struct Adamw {
    static constexpr int kMoments = 2;
    static __device__ void step(const Scalars & s, float grad, float & p, float & m, float & v) {
        const float g = s.clip * grad;
        m = s.b1 * m + s.c1 * g;
        v = s.b2 * v + s.c2 * (g * g);
        p = p * s.keep - s.lr * (m * s.unbias1 / (sqrtf(v * s.unbias2) + s.eps));
    }
};
struct Lion {
    static constexpr int kMoments = 1;
    static __device__ void step(const Scalars & s, float grad, float & p, float & m, float &) {
        const float g = s.clip * grad, mean = s.b1 * m + s.c1 * g;
        p = p * s.keep - s.lr * (mean > 0 ? 1.0f : mean < 0 ? -1.0f : 0.0f);
        m = s.b2 * m + s.c2 * g;
    }
};
struct Sgd {
    static constexpr int kMoments = 1;
    static __device__ void step(const Scalars & s, float grad, float & p, float & m, float &) {
        m = s.b1 * m + s.clip * grad;
        p = p * s.keep - s.lr * m;
    }
};

template <typename Rule>
struct StepOf {
    float * p;
    const float * grad;
    float *m, *v;
    const float *norm, *hyper;
    float lr_scale;
    __device__ void operator()(int64_t i) const {
        if (!(fabsf(norm[0]) < INFINITY)) return;  // the step is skipped
        const Scalars s = scalars_of(hyper, static_cast<double>(norm[0]), static_cast<double>(lr_scale));
        float x = p[i], first = m[i], second = Rule::kMoments == 2 ? v[i] : 0;
        Rule::step(s, grad[i], x, first, second);
        p[i] = x, m[i] = first;
        if (Rule::kMoments == 2) v[i] = second;
    }
};
template <typename Rule>
Status step(const Launch & l) {
    const int norm = 2 + Rule::kMoments;
    const StepOf<Rule> f{l.y(0),
                         l.x(1),
                         l.y(1),
                         Rule::kMoments == 2 ? l.y(2) : nullptr,
                         l.x(norm),
                         l.x(norm + 1),
                         l.params<OptimizerParams>().lr_scale};
    return for_each(l, f, l.in(0).shape.elements());
}

// States of 8 bits: ggml/ops/blockwise_state.hpp, with its operations in its order, so that the codes are the CPU's.

static __constant__ DynamicMap signed_map = kDynamicMapSigned;
static __constant__ DynamicMap unsigned_map = kDynamicMapUnsigned;
constexpr int kStateThreads = QL_STATE_BLOCK, kStateWarps = kStateThreads / 32;

struct StateShared {
    float map[2][256];
    float part[2][kStateWarps];
};

/// The largest of the block's numbers that are no NaN; called by all threads.
__device__ float block_most(float x, float (&part)[kStateWarps]) {
    x = warp_max(x);
    if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = x;
    __syncthreads();
    x = 0;
    for (int i = 0; i < kStateWarps; ++i) x = fmaxf(x, part[i]);
    return x;
}

/// -0 is.
__device__ bool is_negative(float x) {
    return x < 0 || (x == 0 && 1 / x < 0);
}

__device__ uint8_t code_of(const float * map, float x, float absmax) {
    float factor = 1 / absmax;
    if (!(fabsf(factor) < INFINITY && absmax < INFINITY)) factor = 0;
    const float scaled = factor > 0 ? x * factor : 0.0f;
    const auto grid = static_cast<int32_t>((scaled + 1.0f) / 2.0f * 65535.0f + 0.5f);
    const float p = 2.0f * static_cast<float>(grid) / 65535.0f - 1.0f;
    uint32_t low = 0;
    for (uint32_t step = 128; step > 0; step /= 2) low += map[low + step] <= p ? step : 0;
    uint32_t code = low == 255 ? 255 : low + (map[low + 1] - p < p - map[low] ? 1 : 0);
    if (is_negative(map[code]) != is_negative(x)) code += x > 0 ? 1 : -1;
    return static_cast<uint8_t>(code);
}

template <typename Rule>
struct Step8bit {
    float * p;
    const float * grad;
    uint8_t * codes[2];
    float * absmax[2];
    const float *norm, *hyper;
    float lr_scale;
    int64_t n;
};

template <typename Rule>
__global__ void __launch_bounds__(kStateThreads) step_8bit_kernel(Step8bit<Rule> a) {
    if (!(fabsf(a.norm[0]) < INFINITY)) return;  // the step is skipped, by all threads
    auto & s = shared_memory<StateShared>();
    const int64_t block = blockIdx.x, i = block * kStateThreads + threadIdx.x;
    s.map[0][threadIdx.x] = signed_map[threadIdx.x];
    s.map[1][threadIdx.x] = unsigned_map[threadIdx.x];
    __syncthreads();
    float moment[2] = {0, 0};
    if (i < a.n) {
        const Scalars scalars = scalars_of(a.hyper, static_cast<double>(a.norm[0]), static_cast<double>(a.lr_scale));
        for (int k = 0; k < Rule::kMoments; ++k) moment[k] = s.map[k][a.codes[k][i]] * a.absmax[k][block];
        float x = a.p[i];
        Rule::step(scalars, a.grad[i], x, moment[0], moment[1]);
        a.p[i] = x;
    }
    for (int k = 0; k < Rule::kMoments; ++k) {
        const float most = block_most(fabsf(moment[k]), s.part[k]);
        if (i < a.n) a.codes[k][i] = code_of(s.map[k], moment[k], most);
        if (threadIdx.x == 0) a.absmax[k][block] = most;
    }
}

template <typename Rule>
Status step_8bit(const Launch & l) {
    const int norm = 2 + 2 * Rule::kMoments;
    Step8bit<Rule> a{l.y(0),
                     l.x(1),
                     {},
                     {},
                     l.x(norm),
                     l.x(norm + 1),
                     l.params<OptimizerParams>().lr_scale,
                     l.in(0).shape.elements()};
    for (int k = 0; k < Rule::kMoments; ++k)
        a.codes[k] = static_cast<uint8_t *>(l.out[1 + 2 * k]), a.absmax[k] = l.y(2 + 2 * k);
    if (a.n == 0) return {};
    return run(l, step_8bit_kernel<Rule>, blocks_of(a.n, kStateThreads), kStateThreads, sizeof(StateShared), a);
}

}  // namespace

const Kernel kernel::adamw8bit = {.launch = step_8bit<Adamw>};
const Kernel kernel::lion8bit = {.launch = step_8bit<Lion>};
const Kernel kernel::adamw = {.launch = step<Adamw>};
const Kernel kernel::lion = {.launch = step<Lion>};
const Kernel kernel::sgd = {.launch = step<Sgd>};
}  // namespace ql::cuda
