// Operands of operators that stream: f32, or bf16 where the planner holds a tensor in it.
#pragma once
#include <cstdint>

#include "backends/cpu/device.hpp"
#include "backends/cpu/split.hpp"

namespace ql::cpu {

struct StreamIn {
    const void * data;
    bool bf16;
};
struct StreamOut {
    void * data;
    bool bf16;
};

/// For kernels that take each of their operands in either type.
inline bool takes_any(const Node &, size_t) {
    return true;
}

[[gnu::always_inline]] inline StreamIn stream_in(const Launch & l, size_t i) {
    return {l.src[i], l.node.src[i]->dtype == QL_BF16};
}
[[gnu::always_inline]] inline StreamOut stream_out(const Launch & l, size_t i) {
    return {l.out[i], l.node.out[i]->dtype == QL_BF16};
}

template <typename F>
[[gnu::always_inline]] inline void with_type(StreamIn s, const F & f) {
    s.bf16 ? f(static_cast<const uint16_t *>(s.data)) : f(static_cast<const float *>(s.data));
}
template <typename F>
[[gnu::always_inline]] inline void with_type(StreamOut r, const F & f) {
    r.bf16 ? f(static_cast<uint16_t *>(r.data)) : f(static_cast<float *>(r.data));
}

/// Calls f with a pointer of the right type for each operand: f(const float *, uint16_t * ...).
template <typename F, typename First, typename... Rest>
[[gnu::always_inline]] inline void with_types(const F & f, First first, Rest... rest) {
    with_type(first, [&](auto * p) {
        if constexpr (sizeof...(rest) == 0)
            f(p);
        else
            with_types([&](auto *... others) { f(p, others...); }, rest...);
    });
}

}  // namespace ql::cpu
