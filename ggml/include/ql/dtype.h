/* ql/dtype.h - element types. A value is the type's id in GGUF files; the NF4 family has ids far above upstream's. */
#ifndef QL_DTYPE_H
#define QL_DTYPE_H

#include <stddef.h>
#include <stdint.h>

#include "ql/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ql_dtype {
    QL_F32 = 0,
    QL_F16 = 1,
    QL_Q4_0 = 2,
    QL_Q4_1 = 3,
    QL_Q5_0 = 6,
    QL_Q5_1 = 7,
    QL_Q8_0 = 8,
    QL_Q2_K = 10,
    QL_Q3_K = 11,
    QL_Q4_K = 12,
    QL_Q5_K = 13,
    QL_Q6_K = 14,
    QL_IQ2_XXS = 16,
    QL_IQ2_XS = 17,
    QL_IQ3_XXS = 18,
    QL_IQ1_S = 19,
    QL_IQ4_NL = 20,
    QL_IQ3_S = 21,
    QL_IQ2_S = 22,
    QL_IQ4_XS = 23,
    QL_I8 = 24,
    QL_I32 = 26,
    QL_IQ1_M = 29,
    QL_BF16 = 30,
    QL_TQ1_0 = 34,
    QL_TQ2_0 = 35,
    QL_MXFP4 = 39,
    QL_NVFP4 = 40,
    QL_Q1_0 = 41,
    QL_Q2_0 = 42,
    QL_NF4 = 0x4E460000,    /* 4-bit NormalFloat, blocks of 64, f32 absmax          (Dettmers et al. 2023) */
    QL_NF4_DQ = 0x4E460001, /* NF4 with double-quantised absmax: 4.127 bits a weight (Dettmers et al. 2023) */
    QL_FP4 = 0x4E460002     /* bitsandbytes' 4-bit float, blocks of 64, f32 absmax */
} ql_dtype;

/** The name used in files and on command lines ("nf4_dq"), or NULL for an unknown type. */
QL_API const char * ql_dtype_name(ql_dtype dtype);
/** The type with a name, in upper or lower case; QL_NOT_FOUND lists the known names. */
QL_API ql_status ql_dtype_from_name(const char * name, ql_dtype * dtype);
/** How many types there are, and the i-th of them.                     errors  QL_INVALID_ARGUMENT: i out of range */
QL_API int64_t ql_dtype_count(void);
QL_API ql_status ql_dtype_at(int64_t i, ql_dtype * dtype);
/** Elements in a block: rows must be a multiple of it. 1 for plain types, 0 for an unknown type. */
QL_API int64_t ql_dtype_block_length(ql_dtype dtype);
/** 1 if `ql_encode` can write the type, 0 if it can only be read. */
QL_API int ql_dtype_can_encode(ql_dtype dtype);
/** 1 if `ql_encode_search` can write the type. */
QL_API int ql_dtype_can_search(ql_dtype dtype);
/** 1 if weights of a model may have the type; 0 if it holds only whole numbers, or is unknown. */
QL_API int ql_dtype_is_weight(ql_dtype dtype);
/** general.file_type of a GGUF file most of whose matrices have the type; -1 for types that upstream does not have, or
 *  that are not written. */
QL_API int ql_dtype_file_type(ql_dtype dtype);
/** Bytes of a tensor of n elements, planes and their padding included; 0 for an unknown type or n not a multiple of
 *  the block length. */
QL_API size_t ql_dtype_bytes(ql_dtype dtype, int64_t n);

/** Encodes n f32 values (n a multiple of the block length, the whole tensor) to dst, `ql_dtype_bytes(dtype, n)` bytes.
 *  errors  QL_NON_FINITE if a value is NaN or Inf and the type is quantised; QL_UNSUPPORTED for a decode-only type. */
QL_API ql_status ql_encode(ql_dtype dtype, const float * src, int64_t n, void * dst);
/** The same, with the scales of blocks chosen for a small squared error instead of by the largest weight: about a fifth
 *  less error on normally distributed weights in nf4, for tens of times the time. Every reader of the type decodes it.
 *  The error is at most that of ql_encode: of each block (nf4, q4_0), of the tensor (nf4_dq).
 *  errors  as ql_encode; QL_UNSUPPORTED for a type without a search */
QL_API ql_status ql_encode_search(ql_dtype dtype, const float * src, int64_t n, void * dst);
/** The same for a matrix whose columns do not count the same: the error of a weight is multiplied by its column's importance,
 *  the mean of the squares of what the column is multiplied by. importance [row], or NULL; rows are whole blocks.
 *  errors  QL_NON_FINITE, QL_INVALID_ARGUMENT: an importance that is no number, or negative */
QL_API ql_status ql_encode_search_weighted(ql_dtype dtype, const float * src, int64_t n, const float * importance,
                                           int64_t row, void * dst);
/** Decodes `count` elements from element `first` (both multiples of the block length) of a tensor of n elements. */
QL_API ql_status ql_decode(ql_dtype dtype, const void * src, int64_t n, int64_t first, int64_t count, float * dst);

#ifdef __cplusplus
}
#endif
#endif
