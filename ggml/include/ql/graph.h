/* ql/graph.h - a static compute graph: leaves are made here, operators in ql/ops.h append nodes.
 *
 * Builders nest: NULL in, NULL out. The graph keeps the first error; `ql_graph_status` and `ql_plan_create` report it.
 * A graph and its tensors are used by one thread at a time. */
#ifndef QL_GRAPH_H
#define QL_GRAPH_H

#include "ql/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A new, empty graph. The caller owns it; free it after the plans made from it and before the device. */
QL_API ql_status ql_graph_create(ql_graph ** graph);
QL_API void ql_graph_free(ql_graph * graph);
/** QL_OK, or the first error of a builder; `ql_error_message` then has its text. */
QL_API ql_status ql_graph_status(const ql_graph * graph);
/** Nodes (operators) so far. */
QL_API int64_t ql_graph_n_nodes(const ql_graph * graph);

/** Sets the place in the model of all nodes built from here on, such as the number of their layer; 0 at first. What
 *  ql_gradients builds for a node has that node's place. A plan over several devices gives each device an equal run of
 *  places, the first ones to the first device (ql_plan_create_on).
 *  errors  QL_INVALID_ARGUMENT: place is negative */
QL_API ql_status ql_graph_set_place(ql_graph * graph, int place);

/** Data that the caller writes before a run (token ids, positions, targets, hyperparameters): f32, f16, bf16 or i32. */
QL_API ql_tensor * ql_input(ql_graph * g, const char * name, ql_dtype dtype, int n_dims, const int64_t * ne);
/** A frozen weight of any type. `data` (ql_dtype_bytes(dtype, elements) bytes, aligned to 32, nf4 types to 64) is
 *  borrowed and must outlive the graph's plans: a mapped file is used in place. No gradient ever flows to it. */
QL_API ql_tensor * ql_weight(ql_graph * g, const char * name, ql_dtype dtype, int n_dims, const int64_t * ne,
                             const void * data);
/** A trainable f32 parameter (a LoRA matrix); zero until written. The graph owns its storage. */
QL_API ql_tensor * ql_param(ql_graph * g, const char * name, int n_dims, const int64_t * ne);
/** State that outlives a run; operators may change it in place (moments, gradient sums, KV caches); zero at first. */
QL_API ql_tensor * ql_state(ql_graph * g, const char * name, ql_dtype dtype, int n_dims, const int64_t * ne);

#ifdef __cplusplus
}
#endif
#endif
