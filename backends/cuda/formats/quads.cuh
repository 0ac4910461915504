// Formats of weights as quads: what one thread decodes of them at a time where few tokens are multiplied (products/few.cuh).
//
// A unit of kUnit weights of a row lies in bytes that hold kParts weights each, kApart from one another. A quad is four
// neighbouring bytes of it: kParts times four neighbouring weights, of columns unit * kUnit + at * 4 + part * kApart. So
// neighbouring threads read neighbouring words of codes, each code once, and neighbouring groups of four of x.
//
//     static float decode(const Weight & w, int64_t row, int64_t unit, int at, float (*v)[4], const float * table, bool wide)
// gives a quad: a weight is the returned factor times its v. `wide`: rows of plain numbers are whole units at multiples
// of 16 bytes.
#pragma once
#include "backends/cuda/formats/blocks.cuh"
#include "backends/cuda/formats/k_blocks.cuh"
#include "backends/cuda/formats/nf4.cuh"
#include "backends/cuda/formats/plain.cuh"
#include "backends/cuda/ops/elements.cuh"

namespace ql::cuda {

template <typename Decoder>
struct Quads;

/// Four bytes at a multiple of kAlignment, by the widest loads that it allows.
template <int kAlignment>
__device__ inline uint32_t load_word(const uint8_t * p) {
    if (kAlignment % 4 == 0) return *reinterpret_cast<const uint32_t *>(p);
    if (kAlignment % 2 == 0) {
        const auto * half = reinterpret_cast<const uint16_t *>(p);
        return load_alone(half) | static_cast<uint32_t>(load_alone(half + 1)) << 16;
    }
    return load_alone(p) | load_alone(p + 1) << 8 | load_alone(p + 2) << 16 |
           static_cast<uint32_t>(load_alone(p + 3)) << 24;
}
/// The f16 number at a multiple of 2.
__device__ inline float load_f16(const uint8_t * p) {
    return f16_number(*reinterpret_cast<const uint16_t *>(p));
}

/// Plain numbers: a unit is 16 bytes.
template <ql_dtype type>
struct Quads<Plain<type>> {
    static constexpr int kParts = type == QL_F32 ? 1 : 2, kApart = 4, kUnit = 4 * kParts;
    static __device__ float decode(const Weight & w, int64_t row, int64_t unit, int, float (*v)[4], const float *,
                                   bool wide) {
        const int64_t column = unit * kUnit, at = row * w.k + column;
        if (wide) {
            const uint4 four = *reinterpret_cast<const uint4 *>(w.data + at * (16 / kUnit));
            const uint32_t words[4] = {four.x, four.y, four.z, four.w};
            for (int i = 0; i < kUnit; ++i) v[i / 4][i % 4] = number(words, i);
            return 1;
        }
        const Numbers numbers{w.data, type};
        for (int i = 0; i < kUnit; ++i) v[i / 4][i % 4] = column + i < w.k ? numbers[at + i] : 0;
        return 1;
    }
    static __device__ float number(const uint32_t * words, int i) {
        if (type == QL_F32) return bits_as_float(words[i % 4]);
        const auto half = static_cast<uint16_t>(words[i / 2 % 4] >> i % 2 * 16);
        return type == QL_F16 ? f16_number(half) : bf16_number(half);
    }
};

/// nf4 and nf4_dq: a word has four weights in its low halves and four in its high ones.
__device__ inline void look_up(uint32_t word, float (*v)[4], const float * table) {
    for (int i = 0; i < 4; ++i) {
        v[0][i] = table[word >> 8 * i & 15];
        v[1][i] = table[word >> (8 * i + 4) & 15];
    }
}
template <typename Decoder>
struct Nf4Quads {
    static constexpr int kParts = 2, kApart = 32, kUnit = 64;
    static __device__ float decode(const Weight & w, int64_t row, int64_t unit, int at, float (*v)[4],
                                   const float * table, bool) {
        const int64_t block = row * (w.k / 64) + unit;
        look_up(load_word<4>(w.data + block * 32 + at * 4), v, table);
        return Decoder::scale(w, block);
    }
};
template <>
struct Quads<DecodeNf4> : Nf4Quads<DecodeNf4> {};
template <>
struct Quads<DecodeNf4Dq> : Nf4Quads<DecodeNf4Dq> {};

template <>
struct Quads<DecodeQ8_0> {
    static constexpr int kParts = 1, kApart = 32, kUnit = 32;
    static __device__ float decode(const Weight & w, int64_t row, int64_t unit, int at, float (*v)[4], const float *,
                                   bool) {
        const uint8_t * b = w.data + (row * (w.k / 32) + unit) * 34;
        const uint32_t word = load_word<2>(b + 2 + 4 * at);
        for (int i = 0; i < 4; ++i) v[0][i] = static_cast<float>(static_cast<int8_t>(word >> 8 * i & 255));
        return load_f16(b);
    }
};

template <ql_dtype kId, bool kFive, bool kMinimum>
struct Quads<DecodeCodes<kId, kFive, kMinimum>> {
    using Format = DecodeCodes<kId, kFive, kMinimum>;
    static constexpr int kParts = 2, kApart = 16, kUnit = 32, kBytes = Format::kCodes + 16, kAligned = kMinimum ? 4 : 2;
    static __device__ float decode(const Weight & w, int64_t row, int64_t unit, int at, float (*v)[4], const float *,
                                   bool) {
        const uint8_t * b = w.data + (row * (w.k / 32) + unit) * kBytes;
        const uint32_t word = load_word<kAligned>(b + Format::kCodes + 4 * at);
        const uint32_t fifth = kFive ? load_word<kAligned>(b + Format::kFifth) >> 4 * at : 0;
        const float d = load_f16(b), m = kMinimum ? load_f16(b + 2) : 0;
        for (int part = 0; part < 2; ++part)
            for (int i = 0; i < 4; ++i) {
                const auto four = static_cast<int>(word >> (8 * i + 4 * part) & 15);
                const int high = kFive ? static_cast<int>(fifth >> (16 * part + i) & 1) << 4 : 0;
                const auto code = static_cast<float>((four | high) - Format::kZero);
                v[part][i] = kMinimum ? d * code + m : code;
            }
        return kMinimum ? 1 : d;
    }
};

template <>
struct Quads<DecodeIq4Nl> {
    static constexpr int kParts = 2, kApart = 16, kUnit = 32;
    static __device__ float decode(const Weight & w, int64_t row, int64_t unit, int at, float (*v)[4],
                                   const float * table, bool) {
        const uint8_t * b = w.data + (row * (w.k / 32) + unit) * 18;
        look_up(load_word<2>(b + 2 + 4 * at), v, table);
        return load_f16(b);
    }
};

template <>
struct Quads<DecodeMxfp4> {
    static constexpr int kParts = 2, kApart = 16, kUnit = 32;
    static __device__ float decode(const Weight & w, int64_t row, int64_t unit, int at, float (*v)[4],
                                   const float * table, bool) {
        const uint8_t * b = w.data + (row * (w.k / 32) + unit) * 17;
        look_up(load_word<1>(b + 1 + 4 * at), v, table);
        return ldexpf(1.0f, static_cast<int>(b[0]) - 128);
    }
};

/// q4_K and q5_K: a unit is two of a block's eight runs, which share 32 bytes.
template <ql_dtype kId, bool kFive>
struct Quads<DecodeScaledCodes<kId, kFive>> {
    static constexpr int kParts = 2, kApart = 32, kUnit = 64, kBytes = kFive ? 176 : 144;
    static __device__ float decode(const Weight & w, int64_t row, int64_t unit, int at, float (*v)[4], const float *,
                                   bool) {
        const int chunk = static_cast<int>(unit % 4);
        const uint8_t * b = w.data + (row * (w.k / 256) + unit / 4) * kBytes;
        const uint32_t word = load_word<4>(b + (kFive ? 48 : 16) + chunk * 32 + 4 * at);
        const uint32_t high = kFive ? load_word<4>(b + 16 + 4 * at) >> 2 * chunk : 0;
        const float all = load_f16(b), least = load_f16(b + 2);
        for (int part = 0; part < 2; ++part) {
            const KScale s = k_scale(b + 4, 2 * chunk + part);
            const float d = all * static_cast<float>(s.scale), m = least * static_cast<float>(s.min);
            for (int i = 0; i < 4; ++i) {
                const uint32_t fifth = kFive ? (high >> (8 * i + part) & 1) << 4 : 0;
                v[part][i] = d * static_cast<float>((word >> (8 * i + 4 * part) & 15) | fifth) - m;
            }
        }
        return 1;
    }
};

/// q6_K, q3_K and q2_K: a unit is half a block, four runs that share bytes.
struct HalfBlock {
    static constexpr int kParts = 4, kApart = 32, kUnit = 128;
    const uint8_t * block;
    int half;
};
template <int kBytes>
__device__ HalfBlock half_at(const Weight & w, int64_t row, int64_t unit) {
    return {w.data + (row * (w.k / 256) + unit / 2) * kBytes, static_cast<int>(unit % 2)};
}

template <>
struct Quads<DecodeQ6_K> : HalfBlock {
    static __device__ float decode(const Weight & w, int64_t row, int64_t unit, int at, float (*v)[4], const float *,
                                   bool) {
        const HalfBlock h = half_at<210>(w, row, unit);
        const uint8_t * codes = h.block + h.half * 64 + 4 * at;
        const uint32_t low[2] = {load_word<2>(codes), load_word<2>(codes + 32)};
        const uint32_t high = load_word<2>(h.block + 128 + h.half * 32 + 4 * at);
        for (int part = 0; part < 4; ++part) {
            const auto s = static_cast<int8_t>(h.block[192 + (h.half * 4 + part) * 2 + at / 4]);
            for (int i = 0; i < 4; ++i) {
                const uint32_t four = low[part % 2] >> (8 * i + part / 2 * 4) & 15;
                const uint32_t two = high >> (8 * i + 2 * part) & 3;
                v[part][i] = static_cast<float>(s * (static_cast<int>(four | two << 4) - 32));
            }
        }
        return load_f16(h.block + 208);
    }
};

template <>
struct Quads<DecodeQ3_K> : HalfBlock {
    static __device__ float decode(const Weight & w, int64_t row, int64_t unit, int at, float (*v)[4], const float *,
                                   bool) {
        const HalfBlock h = half_at<110>(w, row, unit);
        const uint8_t * scales = h.block + 96;
        const uint32_t low = load_word<2>(h.block + 32 + h.half * 32 + 4 * at);
        const uint32_t high = load_word<2>(h.block + 4 * at) >> 4 * h.half;
        for (int part = 0; part < 4; ++part) {
            const int g = (h.half * 4 + part) * 2 + at / 4;
            const int s = (scales[g % 8] >> g / 8 * 4 & 15) | (scales[8 + g % 4] >> g / 4 * 2 & 3) << 4;
            for (int i = 0; i < 4; ++i) {
                const uint32_t q = (low >> (8 * i + 2 * part) & 3) | (high >> (8 * i + part) & 1) << 2;
                v[part][i] = static_cast<float>((s - 32) * (static_cast<int>(q) - 4));
            }
        }
        return load_f16(h.block + 108);
    }
};

template <>
struct Quads<DecodeQ2_K> : HalfBlock {
    static __device__ float decode(const Weight & w, int64_t row, int64_t unit, int at, float (*v)[4], const float *,
                                   bool) {
        const HalfBlock h = half_at<84>(w, row, unit);
        const uint32_t word = load_word<4>(h.block + 16 + h.half * 32 + 4 * at);
        const float d = load_f16(h.block + 80), m = load_f16(h.block + 82);
        for (int part = 0; part < 4; ++part) {
            const uint8_t s = h.block[(h.half * 4 + part) * 2 + at / 4];
            const float step = d * static_cast<float>(s & 15), least = m * static_cast<float>(s >> 4);
            for (int i = 0; i < 4; ++i) v[part][i] = step * static_cast<float>(word >> (8 * i + 2 * part) & 3) - least;
        }
        return 1;
    }
};

}  // namespace ql::cuda
