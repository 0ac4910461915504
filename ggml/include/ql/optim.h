/* ql/optim.h - gradient accumulation, clipping and optimizers, as nodes of the graph. */
#ifndef QL_OPTIM_H
#define QL_OPTIM_H

#include "ql/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

/** sum += x, in place; returns the sum.       shape  sum: an f32 state, x as sum      grad  none */
QL_API ql_tensor * ql_accumulate(ql_graph * g, ql_tensor * sum, ql_tensor * x);
/** x = 0, in place; returns x.                shape  an f32 state                     grad  none */
QL_API ql_tensor * ql_zero(ql_graph * g, ql_tensor * x);
/** The Euclidean norm of all elements of n tensors together, f32 [1]; accumulated in f64 in a fixed order. NaN or Inf
 *  anywhere gives a non-finite norm. */
QL_API ql_tensor * ql_global_norm(ql_graph * g, ql_tensor * const * x, int n);

enum { /* what the hyper-parameter input of an optimizer holds, f32 [QL_HYPER_N] */
    QL_HYPER_LR, QL_HYPER_BETA1, QL_HYPER_BETA2, QL_HYPER_EPS, QL_HYPER_DECAY,
    QL_HYPER_BIAS1, /* 1 - beta1^step */
    QL_HYPER_BIAS2, /* 1 - beta2^step */
    QL_HYPER_CLIP,  /* largest global gradient norm; 0: no clipping */
    QL_HYPER_N
};

/** One AdamW step, in place; decay comes first:                              (Loshchilov & Hutter 2019)
 *      g *= min(1, clip / (norm + 1e-6));  p *= 1 - lr decay;
 *      m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;  p -= lr (m / c1) / (sqrt(v / c2) + eps).
 *  If `norm` is NaN or Inf nothing changes: the step is skipped.
 *  shape    p a parameter, grad as p, m and v f32 states as p, norm f32 [1], hyper f32 [QL_HYPER_N]
 *  lr_scale multiplies the learning rate for this tensor (LoRA+)      returns  p after the step      grad  none */
QL_API ql_tensor * ql_adamw(ql_graph * g, ql_tensor * p, ql_tensor * grad, ql_tensor * m, ql_tensor * v,
                            ql_tensor * norm, ql_tensor * hyper, float lr_scale);

/** One Lion step, in place; clipping, decay and skipping as in ql_adamw, sign(0) = 0:      (Chen et al. 2023)
 *      p -= lr sign(b1 m + (1 - b1) g);  m = b2 m + (1 - b2) g.
 *  shape    p a parameter, grad as p, m an f32 state as p, norm f32 [1], hyper f32 [QL_HYPER_N]
 *  lr_scale as in ql_adamw                                            returns  p after the step      grad  none */
QL_API ql_tensor * ql_lion(ql_graph * g, ql_tensor * p, ql_tensor * grad, ql_tensor * m, ql_tensor * norm,
                           ql_tensor * hyper, float lr_scale);
/** One step of gradient descent with momentum b1, in place; all else as in ql_lion:        (Polyak 1964)
 *      m = b1 m + g;  p -= lr m. */
QL_API ql_tensor * ql_sgd(ql_graph * g, ql_tensor * p, ql_tensor * grad, ql_tensor * m, ql_tensor * norm,
                          ql_tensor * hyper, float lr_scale);

enum { QL_STATE_BLOCK = 256 }; /* consecutive elements of a state of 8 bits that share a scale */

/** ql_adamw and ql_lion with states of 8 bits, as bitsandbytes keeps them: for each element a code of a dynamic map, and
 *  for each block (the last may be short) the largest magnitude. All zero is the start.   (Dettmers et al. 2022)
 *  shape    m, v: i8 states as p, for the codes; m_absmax, v_absmax: f32 states [ceil(elements / QL_STATE_BLOCK)] */
QL_API ql_tensor * ql_adamw8bit(ql_graph * g, ql_tensor * p, ql_tensor * grad, ql_tensor * m, ql_tensor * m_absmax,
                                ql_tensor * v, ql_tensor * v_absmax, ql_tensor * norm, ql_tensor * hyper,
                                float lr_scale);
QL_API ql_tensor * ql_lion8bit(ql_graph * g, ql_tensor * p, ql_tensor * grad, ql_tensor * m, ql_tensor * m_absmax,
                               ql_tensor * norm, ql_tensor * hyper, float lr_scale);

#ifdef __cplusplus
}
#endif
#endif
