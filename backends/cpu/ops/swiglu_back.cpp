// dgate = dy up a (1 + gate (1 - a)), dup = dy gate a, a = 1 / (1 + exp(-gate)).
// Split: pieces of kPiece elements. dgate and dup may lie in gate's and up's storage. Traffic: three reads, two writes;
// each operand may be bf16.
#include "backends/cpu/stream.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/ops/swiglu_back.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "backends/cpu/math.inl"
#include "backends/cpu/vec.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

template <typename G, typename U, typename D, typename DG, typename DU>
void swiglu_back_piece(const G * gate, const U * up, const D * dy, DG * dgate, DU * dup, int64_t n) {
    const Vec one = hn::Set(kF32, 1.0f);
    for (int64_t i = 0; i < n; i += kLanes) {
        const Vec g = load_part(gate + i, n - i), u = load_part(up + i, n - i), d = load_part(dy + i, n - i);
        const Vec a = hn::Div(one, hn::Add(one, vexp_bounded(kF32, hn::Neg(g))));
        const Vec slope = hn::Mul(a, hn::MulAdd(g, hn::Sub(one, a), one));
        store_part(hn::Mul(hn::Mul(d, u), slope), dgate + i, n - i);
        store_part(hn::Mul(d, hn::Mul(g, a)), dup + i, n - i);
    }
}

void swiglu_back_part(const StreamIn (&in)[3], const StreamOut (&out)[2], int64_t first, int64_t last) {
    with_types(
        [&](auto * gate, auto * up, auto * dy, auto * dgate, auto * dup) {
            swiglu_back_piece(gate + first, up + first, dy + first, dgate + first, dup + first, last - first);
        },
        in[0], in[1], in[2], out[0], out[1]);
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
namespace {
HWY_EXPORT(swiglu_back_part);

Status launch_swiglu_back(const Launch & l) {
    const auto run = &HWY_DYNAMIC_DISPATCH(swiglu_back_part);
    const StreamIn in[] = {stream_in(l, 0), stream_in(l, 1), stream_in(l, 2)};
    const StreamOut out[] = {stream_out(l, 0), stream_out(l, 1)};
    split(device_of(l).pool, l.in(0).shape.elements(), kPiece,
          [&](int64_t first, int64_t last) { run(in, out, first, last); });
    return {};
}

}  // namespace

const Kernel kernel::swiglu_back = {.launch = launch_swiglu_back, .reads_bf16 = takes_any, .writes_bf16 = takes_any};

}  // namespace ql::cpu
#endif
