// y = a b; b is repeated in each dimension where its size is 1.
// Split: pieces of kPiece elements, or rows where b is repeated. Works in place. Traffic: two reads and a write (what
// is repeated stays in L1). Each operand may be bf16.
#include "backends/cpu/ops/broadcast.hpp"
#include "backends/cpu/stream.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/ops/mul.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "backends/cpu/vec.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

template <typename A, typename B, typename Y>
void mul_elements(const A * a, const B * b, Y * y, int64_t n, bool one) {
    const Vec all = hn::Set(kF32, hn::GetLane(load_part(b, 1)));
    for (int64_t i = 0; i < n; i += kLanes)
        store_part(hn::Mul(load_part(a + i, n - i), one ? all : load_part(b + i, n - i)), y + i, n - i);
}

void mul_stretch(StreamIn a, StreamIn b, StreamOut y, int64_t first, int64_t second, int64_t n, bool one) {
    with_types(
        [&](auto * x, auto * factor, auto * out) { mul_elements(x + first, factor + second, out + first, n, one); }, a,
        b, y);
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
namespace {
HWY_EXPORT(mul_stretch);

Status launch_mul(const Launch & l) {
    const auto run = &HWY_DYNAMIC_DISPATCH(mul_stretch);
    const StreamIn a = stream_in(l, 0), b = stream_in(l, 1);
    const StreamOut y = stream_out(l, 0);
    split_broadcast(l,
                    [=](int64_t first, int64_t second, int64_t n, bool one) { run(a, b, y, first, second, n, one); });
    return {};
}

}  // namespace

const Kernel kernel::mul = {.launch = launch_mul, .reads_bf16 = takes_any, .writes_bf16 = takes_any};

}  // namespace ql::cpu
#endif
