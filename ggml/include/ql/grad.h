/* ql/grad.h - reverse-mode differentiation, with respect to parameters only. */
#ifndef QL_GRAD_H
#define QL_GRAD_H

#include "ql/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ql_recompute {
    QL_RECOMPUTE_NONE = 0,  /* every value that the backward pass needs is kept */
    QL_RECOMPUTE_CHEAP = 1, /* results of norms and gates are computed again rather than kept: less memory, same bits */
    QL_RECOMPUTE_ALL = 2    /* for ql_gradients the same; trainers also compute layers again (ql_plan_options.recomputed) */
} ql_recompute;

/** Appends the nodes of d loss / d params[i]. Only paths from the loss to a parameter are followed.
 *  shape    loss f32 [1]; grads[i] as params[i]
 *  owns     the graph owns the gradients; a parameter that the loss does not depend on is an error
 *  errors   QL_INVALID_ARGUMENT: a tensor is frozen (or quantised): only parameters have gradients;
 *           QL_UNSUPPORTED: an operator on the way has no backward rule (the message names it and says why) */
QL_API ql_status ql_gradients(ql_graph * g, ql_tensor * loss, ql_tensor * const * params, int n, ql_recompute recompute,
                              ql_tensor ** grads);

#ifdef __cplusplus
}
#endif
#endif
