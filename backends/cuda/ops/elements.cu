// Sums, products and functions of single elements.
#include "backends/cuda/ops/elements.cuh"
#include "common/philox.hpp"
#include "ggml/ops/unary.hpp"

namespace ql::cuda {
namespace {

/// y = a op b; b is repeated where its size is 1.
template <bool product>
struct Broadcast {
    const float *a, *b;
    float * y;
    int64_t ne[3];
    Steps step;  // of b
    __device__ void operator()(int64_t i) const {
        const int64_t i0 = i % ne[0], row = i / ne[0], i1 = row % ne[1], i2 = row / ne[1] % ne[2],
                      i3 = row / ne[1] / ne[2];
        const float x = b[i0 * step.of[0] + i1 * step.of[1] + i2 * step.of[2] + i3 * step.of[3]];
        y[i] = product ? a[i] * x : a[i] + x;
    }
};
template <bool product>
Status broadcast(const Launch & l) {
    const Shape &a = l.in(0).shape, &b = l.in(1).shape;
    const Broadcast<product> f{l.x(0), l.x(1), l.y(0), {a[0], a[1], a[2]}, repeating_steps(b)};
    return for_each(l, f, a.elements());
}

struct Sum {
    const float *a, *b;
    float * y;
    __device__ void operator()(int64_t i) const { y[i] = a[i] + b[i]; }
};
Status accumulate(const Launch & l) {
    return for_each(l, Sum{l.x(0), l.x(1), l.y(0)}, l.in(0).shape.elements());
}

Status zero(const Launch & l) {
    return check(cudaMemsetAsync(l.out[0], 0, l.node.out[0]->bytes(), device_of(l).stream()), "zero");
}

struct Scaled {
    const float * x;
    float * y;
    float factor, offset;
    __device__ void operator()(int64_t i) const { y[i] = fmaf(factor, x[i], offset); }
};
Status scale(const Launch & l) {
    const auto p = l.params<ScaleParams>();
    return for_each(l, Scaled{l.x(0), l.y(0), p.factor, p.offset}, l.in(0).shape.elements());
}

struct Rounded {
    const float * x;
    uint16_t * y;
    __device__ void operator()(int64_t i) const { y[i] = to_bf16(x[i]); }
};
Status round_to_bf16(const Launch & l) {
    return for_each(l, Rounded{l.x(0), static_cast<uint16_t *>(l.out[0])}, l.in(0).shape.elements());
}

__device__ float sigmoid(float x) {
    return 1 / (1 + expf(-x));
}

struct Swiglu {
    const float *gate, *up;
    float * y;
    __device__ void operator()(int64_t i) const { y[i] = gate[i] * sigmoid(gate[i]) * up[i]; }
};
Status swiglu(const Launch & l) {
    return for_each(l, Swiglu{l.x(0), l.x(1), l.y(0)}, l.in(0).shape.elements());
}

struct SwigluBack {
    const float *gate, *up, *dy;
    float *d_gate, *d_up;  // may lie in gate's and up's storage
    __device__ void operator()(int64_t i) const {
        const float g = gate[i], u = up[i], d = dy[i], a = sigmoid(g);
        d_gate[i] = d * u * a * (1 + g * (1 - a));
        d_up[i] = d * g * a;
    }
};
Status swiglu_back(const Launch & l) {
    return for_each(l, SwigluBack{l.x(0), l.x(1), l.x(2), l.y(0), l.y(1)}, l.in(0).shape.elements());
}

// The functions of `unary` and their slopes, as in ggml/ops/unary.cpp.
__device__ float sigmoid_slope(float x) {
    const float e = expf(-fabsf(x));
    return e / ((1 + e) * (1 + e));
}
__device__ float normal_share(float x) {
    return 0.5f * erfcf(-x * 0.70710678f);
}
__device__ float gelu_tanh_argument(float x) {
    return 1.5957691216f * (x + 0.044715f * x * x * x);
}

__device__ float value_of(int kind, float x, float low, float high) {
    switch (kind) {
        case QL_UNARY_SILU:
            return x * sigmoid(x);
        case QL_UNARY_GELU:
            return x * normal_share(x);
        case QL_UNARY_GELU_TANH:
            return x * sigmoid(gelu_tanh_argument(x));
        case QL_UNARY_SIGMOID:
            return sigmoid(x);
        case QL_UNARY_TANH:
            return tanhf(x);
        case QL_UNARY_RELU:
            return x > 0 ? x : x != x ? x : 0;
        case QL_UNARY_RELU_SQUARED:
            return x > 0 ? x * x : x != x ? x : 0;
        case QL_UNARY_SOFTPLUS:
            return (x > 0 ? x : 0) + log1pf(expf(-fabsf(x)));
        case QL_UNARY_EXP:
            return expf(x);
        case QL_UNARY_LOG:
            return logf(x);
        case QL_UNARY_RSQRT:
            return 1 / sqrtf(x);
        case QL_UNARY_RECIPROCAL:
            return 1 / x;
        case kUnaryClamp:
            return x < low ? low : x > high ? high : x;
        default:
            return low * tanhf(x / low);  // soft_cap
    }
}
__device__ float slope_of(int kind, float x, float low, float high) {
    switch (kind) {
        case QL_UNARY_SILU:
            return sigmoid(x) + x * sigmoid_slope(x);
        case QL_UNARY_GELU:
            return normal_share(x) + x * 0.39894228f * expf(-0.5f * x * x);
        case QL_UNARY_GELU_TANH: {
            const float u = gelu_tanh_argument(x);
            return sigmoid(u) + x * sigmoid_slope(u) * 1.5957691216f * (1 + 3 * 0.044715f * x * x);
        }
        case QL_UNARY_SIGMOID:
            return sigmoid_slope(x);
        case QL_UNARY_TANH:
            return 4 * sigmoid_slope(2 * x);
        case QL_UNARY_RELU:
            return x > 0 ? 1 : 0;
        case QL_UNARY_RELU_SQUARED:
            return x > 0 ? 2 * x : 0;
        case QL_UNARY_SOFTPLUS:
            return sigmoid(x);
        case QL_UNARY_EXP:
            return expf(x);
        case QL_UNARY_LOG:
            return 1 / x;
        case QL_UNARY_RSQRT:
            return -0.5f / (x * sqrtf(x));
        case QL_UNARY_RECIPROCAL:
            return -1 / (x * x);
        case kUnaryClamp:
            return x >= low && x <= high ? 1 : 0;
        default:
            return 4 * sigmoid_slope(2 * (x / low));
    }
}

struct Unary {
    const float * x;
    float * y;
    UnaryParams p;
    __device__ void operator()(int64_t i) const {
        y[i] = p.derivative ? slope_of(p.kind, x[i], p.low, p.high) : value_of(p.kind, x[i], p.low, p.high);
    }
};
Status unary(const Launch & l) {
    return for_each(l, Unary{l.x(0), l.y(0), l.params<UnaryParams>()}, l.in(0).shape.elements());
}

/// The Philox word of an element: dropout.hpp and noise_words.hpp. key: {seed low, seed high, step, token offset}.
struct Words {
    const int32_t * key;
    int32_t stream;
    int64_t n;  // row length
    __device__ uint32_t word(int64_t i) const {
        const uint64_t e =
            static_cast<uint64_t>(static_cast<uint32_t>(key[3])) * static_cast<uint64_t>(n) + static_cast<uint64_t>(i);
        const uint64_t block = e / 4;
        const PhiloxCounter words = philox4x32({static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32),
                                                static_cast<uint32_t>(key[2]), static_cast<uint32_t>(stream)},
                                               {static_cast<uint32_t>(key[0]), static_cast<uint32_t>(key[1])});
        return words[e % 4];
    }
};

struct Dropped {
    const float * x;
    float * y;
    Words words;
    uint64_t threshold;
    float factor;
    __device__ void operator()(int64_t i) const { y[i] = words.word(i) >= threshold ? x[i] * factor : 0; }
};
Status dropout(const Launch & l) {
    const auto p = l.params<DropoutParams>();
    const Dropped f{l.x(0),
                    l.y(0),
                    {l.ids(1), p.stream, l.in(0).ne(0)},
                    static_cast<uint64_t>(static_cast<double>(p.p) * 4294967296.0),
                    static_cast<float>(1 / (1 - static_cast<double>(p.p)))};
    return for_each(l, f, l.in(0).shape.elements());
}

struct Noised {
    const float *x, *amplitude;
    float * y;
    Words words;
    __device__ void operator()(int64_t i) const {
        const auto odd = static_cast<int32_t>(words.word(i) >> 8 << 1 | 1);
        y[i] = x[i] + amplitude[i / words.n] * (static_cast<float>(odd - (1 << 24)) * 5.9604644775390625e-8f);
    }
};
Status uniform_noise(const Launch & l) {
    const Words words{l.ids(2), l.params<UniformNoiseParams>().stream, l.in(0).ne(0)};
    return for_each(l, Noised{l.x(0), l.x(1), l.y(0), words}, l.in(0).shape.elements());
}

}  // namespace

const Kernel kernel::add = {.launch = broadcast<false>};
const Kernel kernel::mul = {.launch = broadcast<true>};
const Kernel kernel::accumulate = {.launch = ::ql::cuda::accumulate};
const Kernel kernel::zero = {.launch = ::ql::cuda::zero};
const Kernel kernel::scale = {.launch = ::ql::cuda::scale};
const Kernel kernel::to_bf16 = {.launch = round_to_bf16};
const Kernel kernel::swiglu = {.launch = ::ql::cuda::swiglu};
const Kernel kernel::swiglu_back = {.launch = ::ql::cuda::swiglu_back};
const Kernel kernel::unary = {.launch = ::ql::cuda::unary};
const Kernel kernel::dropout = {.launch = ::ql::cuda::dropout};
const Kernel kernel::uniform_noise = {.launch = ::ql::cuda::uniform_noise};
}  // namespace ql::cuda
