// Sources that an operator takes as leaves of any type whose numbers stand alone: f32, f16 or bf16.
#pragma once
#include <hwy/base.h>

#include "backends/cpu/stream.hpp"

namespace ql::cpu {

struct NumbersIn {
    const void * data;
    ql_dtype dtype;
};

inline NumbersIn numbers_in(const Launch & l, size_t i) {
    return {l.src[i], l.node.src[i]->dtype};
}

/// Like with_type of stream.hpp, with one type more; so with_types takes these sources, too.
template <typename F>
[[gnu::always_inline]] inline void with_type(NumbersIn x, const F & f) {
    if (x.dtype == QL_F16)
        f(static_cast<const hwy::float16_t *>(x.data));
    else
        with_type(StreamIn{x.data, x.dtype == QL_BF16}, f);
}

}  // namespace ql::cpu
