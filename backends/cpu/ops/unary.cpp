// y = f(x), or f'(x), f one of the functions of ggml/ops/unary.cpp.
// Split: pieces of kPiece / 4 elements, as a function costs as much as several streamed numbers. Works in place.
// Traffic: a read and a write. Each operand may be bf16: the functions take f32 alone, and a piece of bf16 goes through
// a buffer in L1, so that there is one loop a function and not four.
#include "backends/cpu/stream.hpp"
#include "ggml/ops/unary.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/ops/unary.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "backends/cpu/ops/unary_functions.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

/// A stretch of floats, and where its results go: the same place or another.
struct Floats {
    const float * x;
    float * y;
    int64_t n;
};

template <typename F>
HWY_INLINE void each(const Floats & floats, const F & f) {
    for (int64_t i = 0; i < floats.n; i += kLanes) {
        const Vec x = load_part(floats.x + i, floats.n - i);
        store_part(hn::IfThenElse(hn::IsNaN(x), x, f(x)), floats.y + i, floats.n - i);
    }
}

void functions(const Floats & to, const UnaryParams & p) {
    const float low = p.low, high = p.high;
    switch (p.kind) {
        case QL_UNARY_SILU:
            return each(to, [](Vec x) { return silu(x); });
        case QL_UNARY_GELU:
            return each(to, [](Vec x) { return hn::Mul(x, normal_share(x)); });
        case QL_UNARY_GELU_TANH:
            return each(to, [](Vec x) { return hn::Mul(x, sigmoid(gelu_tanh_argument(x))); });
        case QL_UNARY_SIGMOID:
            return each(to, [](Vec x) { return sigmoid(x); });
        case QL_UNARY_TANH:
            return each(to, [](Vec x) { return hn::Tanh(kF32, x); });
        case QL_UNARY_RELU:
            return each(to, [](Vec x) { return relu(x); });
        case QL_UNARY_RELU_SQUARED:
            return each(to, [](Vec x) { return hn::Mul(relu(x), relu(x)); });
        case QL_UNARY_SOFTPLUS:
            return each(to, [](Vec x) { return softplus(x); });
        case QL_UNARY_EXP:
            return each(to, [](Vec x) { return vexp(kF32, x); });
        case QL_UNARY_LOG:
            return each(to, [](Vec x) { return logarithm(x); });
        case QL_UNARY_RSQRT:
            return each(to, [](Vec x) { return rsqrt(x); });
        case QL_UNARY_RECIPROCAL:
            return each(to, [](Vec x) { return inverse(x); });
        case kUnaryClamp:
            return each(to, [=](Vec x) { return clamp(x, low, high); });
        case kUnarySoftCap:
            return each(to, [=](Vec x) { return hn::Mul(constant(low), hn::Tanh(kF32, hn::Div(x, constant(low)))); });
    }
}

void derivatives(const Floats & to, const UnaryParams & p) {
    const float low = p.low, high = p.high;
    switch (p.kind) {
        case QL_UNARY_SILU:
            return each(to, [](Vec x) { return silu_slope(x); });
        case QL_UNARY_GELU:
            return each(to, [](Vec x) { return gelu_slope(x); });
        case QL_UNARY_GELU_TANH:
            return each(to, [](Vec x) { return gelu_tanh_slope(x); });
        case QL_UNARY_SIGMOID:
            return each(to, [](Vec x) { return sigmoid_slope(x); });
        case QL_UNARY_TANH:
            return each(to, [](Vec x) { return tanh_slope(x); });
        case QL_UNARY_RELU:
            return each(to, [](Vec x) { return step(x); });
        case QL_UNARY_RELU_SQUARED:
            return each(to, [](Vec x) { return hn::Add(relu(x), relu(x)); });
        case QL_UNARY_SOFTPLUS:
            return each(to, [](Vec x) { return sigmoid(x); });
        case QL_UNARY_EXP:
            return each(to, [](Vec x) { return vexp(kF32, x); });
        case QL_UNARY_LOG:
            return each(to, [](Vec x) { return inverse(x); });
        case QL_UNARY_RSQRT:
            return each(to, [](Vec x) { return rsqrt_slope(x); });
        case QL_UNARY_RECIPROCAL:
            return each(to, [](Vec x) { return reciprocal_slope(x); });
        case kUnaryClamp:
            return each(to, [=](Vec x) { return clamp_slope(x, low, high); });
        case kUnarySoftCap:
            return each(to, [=](Vec x) { return tanh_slope(hn::Div(x, constant(low))); });
    }
}

void apply(const float * x, float * y, int64_t n, const UnaryParams & p) {
    (p.derivative ? derivatives : functions)({x, y, n}, p);
}

template <typename X, typename Y>
void apply(const X * x, Y * y, int64_t n, const UnaryParams & p) {
    constexpr int64_t kBuffer = 1024;
    alignas(64) float buffer[kBuffer];
    for (int64_t at = 0; at < n; at += kBuffer) {
        const int64_t part = HWY_MIN(kBuffer, n - at);
        for (int64_t i = 0; i < part; i += kLanes) store_part(load_part(x + at + i, part - i), buffer + i, part - i);
        apply(buffer, buffer, part, p);
        for (int64_t i = 0; i < part; i += kLanes) store_part(load_part(buffer + i, part - i), y + at + i, part - i);
    }
}

void unary_piece(StreamIn x, StreamOut y, const UnaryParams & p, int64_t first, int64_t last) {
    with_types([&](auto * in, auto * out) { apply(in + first, out + first, last - first, p); }, x, y);
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
namespace {
HWY_EXPORT(unary_piece);

Status launch_unary(const Launch & l) {
    const auto run = &HWY_DYNAMIC_DISPATCH(unary_piece);
    const StreamIn x = stream_in(l, 0);
    const StreamOut y = stream_out(l, 0);
    const auto p = l.params<UnaryParams>();
    split(device_of(l).pool, l.in(0).shape.elements(), kPiece / 4,
          [&](int64_t first, int64_t last) { run(x, y, p, first, last); });
    return {};
}

}  // namespace

const Kernel kernel::unary = {.launch = launch_unary, .reads_bf16 = takes_any, .writes_bf16 = takes_any};

}  // namespace ql::cpu
#endif
