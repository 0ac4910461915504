// Formats whose 32 weights lie in a block of their own.
#pragma once
#include "backends/cuda/formats/format.cuh"

namespace ql::cuda {

/// The block of 32 weights that begins at a row's column.
template <int kBytes>
__device__ const uint8_t * block_at(const Weight & w, int64_t row, int64_t column) {
    return w.data + (row * w.k + column) / 32 * kBytes;
}

struct DecodeQ8_0 {
    static constexpr ql_dtype id = QL_Q8_0;
    static constexpr Table kTable = Table::none;
    static __device__ void run(const Weight & w, int64_t row, int64_t column, float * out, const float *) {
        const uint8_t * b = block_at<34>(w, row, column);
        const float d = f16_number(word_at(b));
        for (int i = 0; i < kRun; ++i) out[i] = d * static_cast<float>(static_cast<int8_t>(b[2 + i]));
    }
};

/// Codes of four bits, of which byte j has weights j and j + 16; `fifth`: four bytes of fifth bits, or null.
__device__ inline int code_at(const uint8_t * low, const uint8_t * fifth, int i) {
    const int four = low[i % 16] >> i / 16 * 4 & 15;
    return fifth ? four | (fifth[i / 8] >> i % 8 & 1) << 4 : four;
}

/// d (code - zero), or d code + m: a scale, a minimum where there is one, fifth bits where codes have five, codes.
template <ql_dtype kId, bool kFive, bool kMinimum>
struct DecodeCodes {
    static constexpr ql_dtype id = kId;
    static constexpr Table kTable = Table::none;
    static constexpr int kFifth = kMinimum ? 4 : 2, kCodes = kFifth + (kFive ? 4 : 0);
    static constexpr int kZero = kMinimum ? 0 : kFive ? 16 : 8;
    static __device__ void run(const Weight & w, int64_t row, int64_t column, float * out, const float *) {
        const uint8_t * b = block_at<kCodes + 16>(w, row, column);
        const float d = f16_number(word_at(b)), m = kMinimum ? f16_number(word_at(b + 2)) : 0;
        for (int i = 0; i < kRun; ++i) {
            const float scaled = d * static_cast<float>(code_at(b + kCodes, kFive ? b + kFifth : nullptr, i) - kZero);
            out[i] = kMinimum ? scaled + m : scaled;
        }
    }
};

struct DecodeIq4Nl {
    static constexpr ql_dtype id = QL_IQ4_NL;
    static constexpr Table kTable = Table::iq4_nl;
    static __device__ void run(const Weight & w, int64_t row, int64_t column, float * out, const float * table) {
        const uint8_t * b = block_at<18>(w, row, column);
        const float d = f16_number(word_at(b));
        for (int i = 0; i < kRun; ++i) out[i] = d * table[code_at(b + 2, nullptr, i)];
    }
};

/// The scale is 2^(e - 128).
struct DecodeMxfp4 {
    static constexpr ql_dtype id = QL_MXFP4;
    static constexpr Table kTable = Table::fp4;
    static __device__ void run(const Weight & w, int64_t row, int64_t column, float * out, const float * table) {
        const uint8_t * b = block_at<17>(w, row, column);
        const float d = ldexpf(1.0f, static_cast<int>(b[0]) - 128);
        for (int i = 0; i < kRun; ++i) out[i] = d * table[code_at(b + 1, nullptr, i)];
    }
};

}  // namespace ql::cuda
