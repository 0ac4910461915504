// f32, f16 and bf16: rows of any length.
#pragma once
#include "backends/cuda/formats/format.cuh"

namespace ql::cuda {

template <ql_dtype type>
struct Plain {
    static constexpr ql_dtype id = type;
    static constexpr Table kTable = Table::none;
    static __device__ void run(const Weight & w, int64_t row, int64_t column, float * out, const float *) {
        const int64_t at = row * w.k + column, left = w.k - column;
        for (int i = 0; i < kRun; ++i) {
            if (i >= left)
                out[i] = 0;
            else if (type == QL_F32)
                out[i] = reinterpret_cast<const float *>(w.data)[at + i];
            else if (type == QL_F16)
                out[i] = f16_number(reinterpret_cast<const uint16_t *>(w.data)[at + i]);
            else
                out[i] = bf16_number(reinterpret_cast<const uint16_t *>(w.data)[at + i]);
        }
    }
};

}  // namespace ql::cuda
