// Sums, products and functions of single elements.
#include <array>

#include "backends/vulkan/ops/dispatch.hpp"
#include "ggml/ops/params.hpp"

namespace ql::vulkan {
namespace {

struct BroadcastPush {
    Address a, b, y;
    int32_t n, ne[3], step[4];
};
/// From a number of b to the next along each dimension; 0 where the size is 1 and the number is repeated.
template <bool product>
Status broadcast(const Launch & l) {
    const Shape &a = l.in(0).shape, &b = l.in(1).shape;
    BroadcastPush push{
        source(l, 0), source(l, 1), result(l, 0), elements(l.in(0)), {number(a[0]), number(a[1]), number(a[2])}, {}};
    int64_t step = 1;
    for (int d = 0; d < 4; step *= b[d], ++d) push.step[d] = b[d] == 1 ? 0 : number(step);
    return each_element(l, shader::broadcast, push, a.elements(), {product});
}

/// Words, or bytes where these are no whole words.
Status zero(const Launch & l) {
    const struct {
        Address y;
        int32_t n;
    } push{result(l, 0), number(static_cast<int64_t>(l.node.out[0]->bytes()))};
    if (push.n % 4) return each_element(l, shader::zero, push, push.n, {1});
    return each_element(l, shader::zero, decltype(push){push.y, push.n / 4}, push.n / 4, {4});
}

struct ScalePush {
    Address x, y;
    int32_t n;
    float factor, offset;
};
Status scale(const Launch & l) {
    const auto p = l.params<ScaleParams>();
    const ScalePush push{source(l, 0), result(l, 0), elements(l.in(0)), p.factor, p.offset};
    return each_element(l, shader::scale, push, push.n);
}

struct RoundPush {
    Address x, y;
    int32_t n;
};
Status round_to_bf16(const Launch & l) {
    const RoundPush push{source(l, 0), result(l, 0), elements(l.in(0))};
    return each_element(l, shader::to_bf16, push, push.n);
}

struct SwigluPush {
    Address gate, up, y;
    int32_t n;
};
Status swiglu(const Launch & l) {
    const SwigluPush push{source(l, 0), source(l, 1), result(l, 0), elements(l.in(0))};
    return each_element(l, shader::swiglu, push, push.n,
                        {numbers_of(l.in(0)), numbers_of(l.in(1)), numbers_of(*l.node.out[0])});
}

struct SwigluBackPush {
    Address gate, up, dy, d_gate, d_up;
    int32_t n;
};
Status swiglu_back(const Launch & l) {
    const SwigluBackPush push{source(l, 0), source(l, 1), source(l, 2), result(l, 0), result(l, 1), elements(l.in(0))};
    return each_element(l, shader::swiglu_back, push, push.n,
                        {numbers_of(l.in(0)), numbers_of(l.in(1)), numbers_of(l.in(2)), numbers_of(*l.node.out[0]),
                         numbers_of(*l.node.out[1])});
}

struct UnaryPush {
    Address x, y;
    int32_t n;
    float low, high;
};
Status unary(const Launch & l) {
    const auto p = l.params<UnaryParams>();
    const UnaryPush push{source(l, 0), result(l, 0), elements(l.in(0)), p.low, p.high};
    return each_element(l, shader::unary, push, push.n,
                        {static_cast<uint32_t>(p.kind), static_cast<uint32_t>(p.derivative)});
}

struct DropoutPush {
    Address x, key, y;
    int32_t n, width, stream;
    uint32_t threshold;
    float factor;
};
Status dropout(const Launch & l) {
    const auto p = l.params<DropoutParams>();
    const DropoutPush push{source(l, 0),
                           source(l, 1),
                           result(l, 0),
                           elements(l.in(0)),
                           number(l.in(0).ne(0)),
                           p.stream,
                           static_cast<uint32_t>(static_cast<double>(p.p) * 4294967296.0),
                           static_cast<float>(1 / (1 - static_cast<double>(p.p)))};
    return each_element(l, shader::dropout, push, push.n);
}

struct NoisePush {
    Address x, amplitude, key, y;
    int32_t n, width, stream;
};
Status uniform_noise(const Launch & l) {
    const NoisePush push{source(l, 0),
                         source(l, 1),
                         source(l, 2),
                         result(l, 0),
                         elements(l.in(0)),
                         number(l.in(0).ne(0)),
                         l.params<UniformNoiseParams>().stream};
    return each_element(l, shader::uniform_noise, push, push.n);
}

}  // namespace

const Kernel kernel::add = row<broadcast<false>>();
const Kernel kernel::mul = row<broadcast<true>>();
const Kernel kernel::accumulate = row<broadcast<false>>();
const Kernel kernel::zero = row<::ql::vulkan::zero>();
const Kernel kernel::scale = row<::ql::vulkan::scale>();
const Kernel kernel::to_bf16 = row<round_to_bf16>();
const Kernel kernel::swiglu = row<::ql::vulkan::swiglu>(nullptr, takes_bf16, takes_bf16);
const Kernel kernel::swiglu_back = row<::ql::vulkan::swiglu_back>(nullptr, takes_bf16, takes_bf16);
const Kernel kernel::unary = row<::ql::vulkan::unary>();
const Kernel kernel::dropout = row<::ql::vulkan::dropout>();
const Kernel kernel::uniform_noise = row<::ql::vulkan::uniform_noise>();
}  // namespace ql::vulkan
