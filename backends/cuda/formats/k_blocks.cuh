// Formats of blocks of 256 weights: run r = 0..7 is 32 of them.
#pragma once
#include "backends/cuda/formats/format.cuh"
#include "ggml/dtypes/k_scales.hpp"

namespace ql::cuda {

struct KRun {
    const uint8_t * block;
    int run;
};
template <int kBytes>
__device__ KRun k_run_at(const Weight & w, int64_t row, int64_t column) {
    const int64_t at = row * w.k + column;
    return {w.data + at / 256 * kBytes, static_cast<int>(at % 256 / 32)};
}

/// q4_K, and q5_K with a plane of fifth bits before the others.
template <ql_dtype kId, bool kFive>
struct DecodeScaledCodes {
    static constexpr ql_dtype id = kId;
    static constexpr Table kTable = Table::none;
    static __device__ void run(const Weight & w, int64_t row, int64_t column, float * out, const float *) {
        const KRun at = k_run_at < kFive ? 176 : 144 > (w, row, column);
        const KScale s = k_scale(at.block + 4, at.run);
        const float d = f16_number(word_at(at.block)) * static_cast<float>(s.scale);
        const float m = f16_number(word_at(at.block + 2)) * static_cast<float>(s.min);
        const uint8_t *high = at.block + 16, *low = high + (kFive ? 32 : 0) + at.run / 2 * 32;
        for (int i = 0; i < kRun; ++i) {
            const int fifth = kFive ? (high[i] >> at.run & 1) << 4 : 0;
            out[i] = d * static_cast<float>((low[i] >> at.run % 2 * 4 & 15) | fifth) - m;
        }
    }
};

struct DecodeQ6_K {
    static constexpr ql_dtype id = QL_Q6_K;
    static constexpr Table kTable = Table::none;
    static __device__ void run(const Weight & w, int64_t row, int64_t column, float * out, const float *) {
        const KRun at = k_run_at<210>(w, row, column);
        const int half = at.run / 4, quarter = at.run % 4;
        const uint8_t *low = at.block + half * 64 + quarter % 2 * 32, *high = at.block + 128 + half * 32;
        const uint8_t * scales = at.block + 192 + at.run * 2;
        const float d = f16_number(word_at(at.block + 208));
        for (int i = 0; i < kRun; ++i) {
            const int q = (low[i] >> quarter / 2 * 4 & 15) | (high[i] >> quarter * 2 & 3) << 4;
            out[i] = d * static_cast<float>(static_cast<int8_t>(scales[i / 16])) * static_cast<float>(q - 32);
        }
    }
};

struct DecodeQ3_K {
    static constexpr ql_dtype id = QL_Q3_K;
    static constexpr Table kTable = Table::none;
    static __device__ void run(const Weight & w, int64_t row, int64_t column, float * out, const float *) {
        const KRun at = k_run_at<110>(w, row, column);
        const uint8_t *high = at.block, *low = at.block + 32 + at.run / 4 * 32, *scales = at.block + 96;
        const float d = f16_number(word_at(at.block + 108));
        for (int i = 0; i < kRun; ++i) {
            const int g = at.run * 2 + i / 16;
            const int s = (scales[g % 8] >> g / 8 * 4 & 15) | (scales[8 + g % 4] >> g / 4 * 2 & 3) << 4;
            const int q = (low[i] >> at.run % 4 * 2 & 3) | (high[i] >> at.run & 1) << 2;
            out[i] = d * static_cast<float>(s - 32) * static_cast<float>(q - 4);
        }
    }
};

struct DecodeQ2_K {
    static constexpr ql_dtype id = QL_Q2_K;
    static constexpr Table kTable = Table::none;
    static __device__ void run(const Weight & w, int64_t row, int64_t column, float * out, const float *) {
        const KRun at = k_run_at<84>(w, row, column);
        const float d = f16_number(word_at(at.block + 80)), m = f16_number(word_at(at.block + 82));
        for (int i = 0; i < kRun; ++i) {
            const int g = at.run * 2 + i / 16;
            const uint8_t s = at.block[g];
            const int q = at.block[16 + g / 8 * 32 + g % 2 * 16 + i % 16] >> g / 2 % 4 * 2 & 3;
            out[i] = d * static_cast<float>(s & 15) * static_cast<float>(q) - m * static_cast<float>(s >> 4);
        }
    }
};

}  // namespace ql::cuda
