// Rows of W + s B A, as fast as the processor has vectors for them. Whoever merges an adapter, and whoever trains with the
// weights that a merge will give, must have the same bits: those of add_merged_row (common/merged_row.hpp) for each row.
#pragma once
#include <cstdint>

namespace ql {

/// w[i, row] += s * (b[0, row] A[i, 0] + b[1, row] A[i, 1] + ...). w [k, rows], A [k, r], b [r, rows], each in a row.
void add_merged_rows(float * w, int64_t rows, const float * a, const float * b, int64_t k, int64_t r, float s);

}  // namespace ql
