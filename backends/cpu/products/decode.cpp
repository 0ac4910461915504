// One span decoder for each format and instruction set: its runs stored one after the other.
//
// Split of work: none, callers decode what they are about to multiply. Memory traffic: packed bytes in, f32 to the
// cache.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/products/decode.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <bit>

#include "backends/cpu/products/decode.hpp"
#include "backends/cpu/products/decode.inl"
#include "ggml/dtypes/dtype.hpp"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

template <class Format>
void decode_span(const Weight & w, int64_t first, int64_t count, float * dst) {
    constexpr int64_t run = Decoder<Format>::kRun;
    const Decoder<Format> decoder(w);
    int64_t i = 0;
    for (; i + run <= count; i += run)
        decoder.decode(first + i, [&](int j, Vec v) HWY_ATTR { hn::StoreU(v, kF32, dst + i + j); });
    if (i < count) Format::decode(w.data, w.elements(), first + i, count - i, dst + i);
}

SpanDecoder choose_span_decoder(ql_dtype dtype) {
    return visit(dtype, [](auto format) -> SpanDecoder { return decode_span<decltype(format)>; });
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
HWY_EXPORT(choose_span_decoder);
SpanDecoder span_decoder(ql_dtype dtype) {
    return HWY_DYNAMIC_DISPATCH(choose_span_decoder)(dtype);
}

PackedBlocks packed_blocks(ql_dtype dtype) {
    if (is_planar(dtype)) return {6, 32};
    const DTypeDef * def = find_dtype(dtype);
    return {std::countr_zero(static_cast<uint64_t>(def->block_length)), static_cast<int64_t>(def->block_bytes)};
}
}  // namespace ql::cpu
#endif
