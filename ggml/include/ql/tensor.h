/* ql/tensor.h - tensors: dense, contiguous, at most four dimensions, innermost first (`ne[0]` is the row length).
 *
 * A tensor lives as long as its graph. Leaves (inputs, weights, parameters, states) have storage once a plan that uses
 * them has been created; results of operators have storage only inside a plan, and only those that were named as the
 * plan's outputs may be read (ql_plan_read). */
#ifndef QL_TENSOR_H
#define QL_TENSOR_H

#include "ql/dtype.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ql_graph ql_graph;
typedef struct ql_tensor ql_tensor;

#define QL_MAX_DIMS 4

QL_API ql_dtype ql_tensor_dtype(const ql_tensor * t);
QL_API int64_t ql_tensor_ne(const ql_tensor * t, int dim); /* elements along a dimension; 1 beyond the last */
QL_API int64_t ql_tensor_elements(const ql_tensor * t);
QL_API size_t ql_tensor_bytes(const ql_tensor * t);
QL_API const char * ql_tensor_name(const ql_tensor * t); /* never NULL; owned by the graph */
/** Names a tensor (for messages, dumps, profiles). Returns t. */
QL_API ql_tensor * ql_tensor_set_name(ql_tensor * t, const char * name);

/** Copies bytes to a leaf (input, parameter, state). Only while no plan of the graph runs.
 *  errors  QL_INVALID_ARGUMENT: t is a result or a frozen weight, has no storage yet, or the range is outside it */
QL_API ql_status ql_tensor_write(ql_tensor * t, const void * src, size_t offset, size_t bytes);
/** Copies bytes from a leaf, or from a result that is a leaf changed in place. For a plan's results: ql_plan_read.
 *  errors  QL_INVALID_ARGUMENT: t is another result, has no storage yet, or the range is outside it */
QL_API ql_status ql_tensor_read(const ql_tensor * t, void * dst, size_t offset, size_t bytes);

#ifdef __cplusplus
}
#endif
#endif
