/* ql/dither.h - merged weights and rounding by thresholds, a chapter beside ql/ql.h for who packs weights while they are
 * trained.
 *
 * A weight that is the part p of the way from one value of its block to the next one up takes that where p > t. Rounding to
 * the nearest has t = 1/2 for all; here each element of a tensor has its own t, uniform in [0, 1), a function of a key and
 * the element alone. So the mean error over elements is 0 for any change of the weights, however small, while the mean of
 * its square is about twice that of the nearest. A weight that is a value of its block stays.
 *
 *     ql_encode_dithered(QL_NF4, weights, n, key, 0, packed);                      (dither: Roberts 1962) */
#ifndef QL_DITHER_H
#define QL_DITHER_H

#include "ql/dtype.h"
#include "ql/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/** 1 if ql_encode_dithered can write the type: q4_0 q4_1 q4_K iq4_nl nf4 nf4_dq. */
QL_API int ql_dtype_can_dither(ql_dtype dtype);
/** ql_encode with thresholds: the scales are the same, and a code differs by one at most.
 *  key     of the tensor
 *  first   the element of the tensor that src begins with, >= 0
 *  errors  as ql_encode; QL_UNSUPPORTED for a type without dither */
QL_API ql_status ql_encode_dithered(ql_dtype dtype, const float * src, int64_t n, uint32_t key, int64_t first,
                                    void * dst);

/** Rows of W + s B A, in place and outside of a graph: the numbers that ql_lora_merge encodes, bit for bit.
 *  w [k, rows], a [k, r], b [r, rows] (of B the same rows, one after the other), none of which overlaps w
 *  errors  QL_INVALID_ARGUMENT where a pointer is NULL, or a length is negative */
QL_API ql_status ql_merge_rows(float * w, int64_t rows, const float * a, const float * b, int64_t k, int64_t r,
                               float s);

/** ql_lora_merge with thresholds: a change of W that is smaller than a step between two values shows at once, in some of
 *  its weights. merged is of a type that has dither. */
QL_API ql_tensor * ql_lora_merge_dithered(ql_graph * g, ql_tensor * merged, ql_tensor * w, ql_tensor * a, ql_tensor * b,
                                          float s, uint32_t key);

#ifdef __cplusplus
}
#endif
#endif
