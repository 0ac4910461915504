#include "backends/cpu/attention/in_f32.hpp"

#include <array>

#include "backends/cpu/attention/shape.hpp"
#include "backends/cpu/split.hpp"
#include "ggml/dtypes/half.hpp"

namespace ql::cpu {
namespace {

/// Sources of attention_back, which has the most.
constexpr size_t kMaxTensors = 7;

bool is_held_in_bf16(const Operand * t) {
    return t && t->dtype == QL_BF16;
}

void widen(Pool & pool, const void * from, float * to, int64_t n) {
    const auto * half = static_cast<const uint16_t *>(from);
    split(pool, n, kPiece, [=](int64_t first, int64_t last) {
        for (int64_t i = first; i < last; ++i) to[i] = bf16_to_f32(half[i]);
    });
}

void narrow(Pool & pool, const float * from, void * to, int64_t n) {
    auto * half = static_cast<uint16_t *>(to);
    split(pool, n, kPiece, [=](int64_t first, int64_t last) {
        for (int64_t i = first; i < last; ++i) half[i] = f32_to_bf16(from[i]);
    });
}

}  // namespace

size_t in_f32_scratch(const Node & n, size_t kernel_scratch) {
    Carver count;
    count.take<std::byte>(static_cast<int64_t>(kernel_scratch));
    for (const auto * list : {&n.src, &n.out})
        for (const Operand * t : *list)
            if (is_held_in_bf16(t)) count.take<float>(t->shape.elements());
    return count.used();
}

Status run_in_f32(const Launch & l, F32Kernel kernel, size_t kernel_scratch) {
    const Node & n = l.node;
    Pool & pool = device_of(l).pool;
    Carver carve(l.scratch);
    carve.take<std::byte>(static_cast<int64_t>(kernel_scratch));
    std::array<const void *, kMaxTensors> src;
    std::array<void *, kMaxTensors> out;
    for (size_t i = 0; i < n.src.size(); ++i) {
        src[i] = l.src[i];
        if (!is_held_in_bf16(n.src[i])) continue;
        auto * wide = carve.take<float>(n.src[i]->shape.elements());
        widen(pool, l.src[i], wide, n.src[i]->shape.elements());
        src[i] = wide;
    }
    for (size_t i = 0; i < n.out.size(); ++i)
        out[i] = is_held_in_bf16(n.out[i]) ? carve.take<float>(n.out[i]->shape.elements()) : l.out[i];
    QL_TRY(kernel({n, src.data(), out.data(), l.scratch, l.device}));
    for (size_t i = 0; i < n.out.size(); ++i)
        if (is_held_in_bf16(n.out[i]))
            narrow(pool, static_cast<const float *>(out[i]), l.out[i], n.out[i]->shape.elements());
    return {};
}

}  // namespace ql::cpu
