// dgate = dy up a (1 + gate (1 - a)), dup = dy gate a, a = 1 / (1 + exp(-gate)).
// Split: pieces of kPiece elements. dgate and dup may lie in gate's and up's storage. Traffic: three reads, two writes.
#include "backends/cpu/device.hpp"
#include "backends/cpu/split.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/ops/swiglu_back.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "backends/cpu/math.inl"
#include "backends/cpu/vec.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

void swiglu_back_piece(const float * gate, const float * up, const float * dy, float * dgate, float * dup, int64_t n) {
    const Vec one = hn::Set(kF32, 1.0f);
    for (int64_t i = 0; i < n; i += kLanes) {
        const Vec g = load_part(gate + i, n - i), u = load_part(up + i, n - i), d = load_part(dy + i, n - i);
        const Vec a = hn::Div(one, hn::Add(one, vexp(kF32, hn::Neg(g))));
        const Vec slope = hn::Mul(a, hn::MulAdd(g, hn::Sub(one, a), one));
        store_part(hn::Mul(hn::Mul(d, u), slope), dgate + i, n - i);
        store_part(hn::Mul(d, hn::Mul(g, a)), dup + i, n - i);
    }
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
namespace {
HWY_EXPORT(swiglu_back_piece);

Status launch(const Launch & l) {
    const auto run = &HWY_DYNAMIC_DISPATCH(swiglu_back_piece);
    const float *gate = l.x(0), *up = l.x(1), *dy = l.x(2);
    float *dgate = l.y(0), *dup = l.y(1);
    split(device_of(l).pool, l.in(0).shape.elements(), kPiece,
          [=](int64_t i, int64_t end) { run(gate + i, up + i, dy + i, dgate + i, dup + i, end - i); });
    return {};
}

}  // namespace

const Kernel kernel::swiglu_back = {launch};

}  // namespace ql::cpu
#endif
