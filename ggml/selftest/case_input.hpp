// The bytes of a case's inputs: the numbers of ops/cases.hpp at the size that the input asks for, and blocks of the
// types that are only read. Those have no encoder: their blocks are random bits behind a sensible scale, so that
// every code and every scale within the block occurs.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "common/philox.hpp"
#include "ggml/dtypes/dtype.hpp"
#include "ggml/dtypes/half.hpp"
#include "ggml/dtypes/visit.hpp"
#include "ggml/ops/cases.hpp"

namespace ql::selftest {

/// The standard deviation of an input's random numbers.
inline float deviation(const CaseInput & in) {
    return in.fill == Fill::layer ? 1 / std::sqrt(static_cast<float>(in.shape[0])) : 1;
}

template <class Format>
concept ReadOnlyBlocks = !requires {
    &Format::encode;
}
&&requires {
    typename Format::Block;
};

/// A block's scale: most have an f16 d for it.
template <class Block>
void put_scale(Block & block, float scale) {
    block.d = f32_to_f16(scale);
}
template <class Block>
float scale_of(const Block & block) {
    return f16_to_f32(block.d);
}

inline void put_scale(IQ1_MBlock & block, float scale) {
    IQ1_M::set_d(block, f32_to_f16(scale));
}
inline float scale_of(const IQ1_MBlock & block) {
    return f16_to_f32(IQ1_M::get_d(block));
}

/// Its four scales are the block's and above.
inline void put_scale(NVFP4Block & block, float scale) {
    const auto value = [](int f) { return NVFP4::half_scale(static_cast<uint8_t>(f)); };
    for (int i = 0; i < 4; ++i) {
        const float wanted = scale * (1 + 0.25f * static_cast<float>(i));
        int f = 1;
        while (f < 126 && value(f + 1) - wanted < wanted - value(f)) ++f;
        block.f[i] = static_cast<uint8_t>(f);
    }
}
inline float scale_of(const NVFP4Block & block) {
    return NVFP4::half_scale(block.f[0]);
}

template <ReadOnlyBlocks Format>
float mean_of(const typename Format::Block & block) {
    float weights[Format::block_length], sum = 0;
    Format::decode_block(block, weights);
    for (const float w : weights) sum += w;
    return sum / static_cast<float>(Format::block_length);
}

/// Where a block keeps its minimum; nullptr for a type without one.
template <class Block>
uint16_t * minimum_of(Block & block) {
    if constexpr (requires { block.m; }) return &block.m;
    if constexpr (requires { block.dmin; }) return &block.dmin;
    return nullptr;
}

/// Sets the block's scale, and the minimum that makes the mean of the weights zero.
template <ReadOnlyBlocks Format>
void set_scale(typename Format::Block & block, float d) {
    put_scale(block, d);
    uint16_t * minimum = minimum_of(block);
    if (!minimum) return;
    *minimum = 0;
    const float mean = mean_of<Format>(block);
    typename Format::Block of_one = block;  // its weights are what a minimum of one adds
    put_scale(of_one, 0);
    *minimum_of(of_one) = f32_to_f16(1);
    const float added = mean_of<Format>(of_one);
    *minimum = added == 0 ? 0 : f32_to_f16(-mean / added);
}

/// Types whose units may not be zero in the mean, and which have no minimum against that: scales of both signs are.
template <class Format>
inline constexpr bool kMayBeNegative = requires(typename Format::Block b) {
    b.d;
}
&&!requires(typename Format::Block b) {
    b.dmin;
}
&&!requires(typename Format::Block b) {
    b.m;
};

/// Random blocks of n weights, scales within a factor of three, with `rms` as the weights' root mean square.
template <ReadOnlyBlocks Format>
void random_blocks(uint64_t seed, int64_t n, float rms, void * dst) {
    auto * blocks = static_cast<typename Format::Block *>(dst);
    const int64_t n_blocks = n / Format::block_length;
    const PhiloxKey key{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)};
    const size_t bytes = Format::bytes(n);
    for (size_t at = 0; at < bytes; at += sizeof(PhiloxCounter)) {
        const PhiloxCounter random = philox4x32({static_cast<uint32_t>(at / sizeof(PhiloxCounter)), 0, 0, 0}, key);
        std::memcpy(static_cast<std::byte *>(dst) + at, random.data(), std::min(sizeof(random), bytes - at));
    }
    // First with scales around 1: the weights then tell how large the scales must be.
    double squares = 0;
    std::vector<float> weights(Format::block_length);
    for (int64_t i = 0; i < n_blocks; ++i) {
        uint16_t bits;
        std::memcpy(&bits, &blocks[i], sizeof(bits));
        const float scale = 0.5f + static_cast<float>(bits) / 65536;
        set_scale<Format>(blocks[i], kMayBeNegative<Format> && bits % 2 ? -scale : scale);
        Format::decode_block(blocks[i], weights.data());
        for (const float w : weights) squares += static_cast<double>(w) * static_cast<double>(w);
    }
    const float size = rms / static_cast<float>(std::sqrt(squares / static_cast<double>(n)));
    for (int64_t i = 0; i < n_blocks; ++i) set_scale<Format>(blocks[i], size * scale_of(blocks[i]));
}

/// Random blocks of a type by its id. errors  QL_UNSUPPORTED for a type that can be written: encode numbers instead;
/// QL_BAD_SHAPE unless n is a multiple of the block length
inline Status random_weights(ql_dtype dtype, uint64_t seed, int64_t n, float rms, void * dst) {
    const DTypeDef * type = find_dtype(dtype);
    if (!type || type->encode)
        return error(QL_UNSUPPORTED, "random weights: %s is no type that is only read", type ? type->name : "unknown");
    if (type->bytes(n) == 0)
        return error(QL_BAD_SHAPE, "random weights: %lld are no whole blocks of %s", static_cast<long long>(n),
                     type->name);
    visit(dtype, [&](auto format) {
        if constexpr (ReadOnlyBlocks<decltype(format)>) random_blocks<decltype(format)>(seed, n, rms, dst);
    });
    return {};
}

/// The input's bytes in its own type, ql_dtype_bytes(in.dtype, elements) of them, to dst: a function of the input, the
/// seed and the element alone.
inline Status fill_input(const CaseInput & in, uint64_t seed, void * dst) {
    if (in.dtype == QL_I32) return case_fill(in, seed, dst);
    const DTypeDef * type = find_dtype(in.dtype);
    if (!type) return error(QL_UNSUPPORTED, "case input: type %d is not known", static_cast<int>(in.dtype));
    const int64_t n = in.shape.elements();
    if (type->encode) return type->encode(case_floats(in, seed).data(), n, dst);
    if (in.fill != Fill::normal && in.fill != Fill::layer)
        return error(QL_UNSUPPORTED, "case input: blocks of %s can only be normal", type->name);
    return random_weights(in.dtype, seed, n, deviation(in), dst);
}

}  // namespace ql::selftest
