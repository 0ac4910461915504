/* ql/ops.h - the operators. Each appends one node to the graph and returns its (first) result.
 *
 * Common to all: NULL if an input is NULL or the shapes or types do not fit; `ql_graph_status` then says why. The graph
 * owns every result. Shapes are innermost first; T is the number of tokens of the flat stream. Unless said otherwise
 * results are f32. "grad" names the inputs that a gradient can reach. */
#ifndef QL_OPS_H
#define QL_OPS_H

#include "ql/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

/** y = a + b.
 *  shape    a [n, ...], b as a, or 1 in each dimension where b is repeated: [n] is added to every row, [1, m] gives
 *           a number for each row of a [n, m] -> y as a
 *  grad     a, b */
QL_API ql_tensor * ql_add(ql_graph * g, ql_tensor * a, ql_tensor * b);

/** y = a b, element by element.
 *  shape    as ql_add's      grad  a, b */
QL_API ql_tensor * ql_mul(ql_graph * g, ql_tensor * a, ql_tensor * b);

/** y = factor x + offset, both finite.
 *  shape    x of any shape -> y as x      grad  x */
QL_API ql_tensor * ql_scale(ql_graph * g, ql_tensor * x, float factor, float offset);

typedef enum ql_unary_kind {
    QL_UNARY_SILU,         /* x / (1 + exp(-x)) */
    QL_UNARY_GELU,         /* x Phi(x), Phi the normal distribution             (Hendrycks & Gimpel 2016) */
    QL_UNARY_GELU_TANH,    /* x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2 */
    QL_UNARY_SIGMOID,      /* 1 / (1 + exp(-x)) */
    QL_UNARY_TANH,
    QL_UNARY_RELU,         /* max(x, 0) */
    QL_UNARY_RELU_SQUARED, /* max(x, 0)^2                                       (So et al. 2021) */
    QL_UNARY_SOFTPLUS,     /* log(1 + exp(x)), without overflow */
    QL_UNARY_EXP,
    QL_UNARY_LOG,          /* natural */
    QL_UNARY_RSQRT,        /* 1 / sqrt(x) */
    QL_UNARY_RECIPROCAL,   /* 1 / x */
    QL_UNARY_N
} ql_unary_kind;

/** y = f(x), element by element. NaN gives NaN; outside a function's domain the result is what IEEE 754 says of it:
 *  log(0) is -inf, log and rsqrt of negative numbers are NaN.
 *  shape    x of any shape -> y as x      grad  x
 *  errors   QL_INVALID_ARGUMENT for an unknown kind */
QL_API ql_tensor * ql_unary(ql_graph * g, ql_tensor * x, ql_unary_kind kind);

/** y = min(max(x, low), high); NaN stays NaN. The gradient is dy from low to high, 0 beyond.
 *  shape    x of any shape -> y as x      grad  x      low <= high; either may be infinite */
QL_API ql_tensor * ql_clamp(ql_graph * g, ql_tensor * x, float low, float high);

/** y = cap tanh(x / cap): logits that never leave (-cap, cap).                              (Bello et al. 2016)
 *  shape    x of any shape -> y as x      grad  x      cap > 0 */
QL_API ql_tensor * ql_soft_cap(ql_graph * g, ql_tensor * x, float cap);

/** y[i, ...] = exp(x[i, ...]) / sum_j exp(x[j, ...]), over the innermost dimension and without overflow. -inf gets 0; a
 *  row of nothing but -inf, or with inf or NaN in it, gives NaN.
 *  shape    x [n, ...] -> y [n, ...]      dtype  x f32, f16 or bf16      grad  x of f32 */
QL_API ql_tensor * ql_softmax(ql_graph * g, ql_tensor * x);

/** y[0, ...] = sum_i x[i, ...].
 *  shape    x [n, ...] -> y [1, ...]      dtype  x f32, f16 or bf16      grad  x of f32 */
QL_API ql_tensor * ql_sum_rows(ql_graph * g, ql_tensor * x);

/** x repeated in each dimension where its size is 1.
 *  shape    x, each size that of ne or 1 -> ne      dtype  any but block types; y has x's      grad  x of f32 */
QL_API ql_tensor * ql_expand(ql_graph * g, ql_tensor * x, int n_dims, const int64_t * ne);

/** y[i, ...] = x[i mod size, ...]: rows repeated until they are n long, the last time perhaps in part.
 *  shape    x [size, ...] -> y [n, ...], n >= size      dtype  f32      grad  x */
QL_API ql_tensor * ql_tile(ql_graph * g, ql_tensor * x, int64_t n);

/** y[j, ...] = sum_b x[b n + j, ...]: rows cut into tiles of n, the last of them perhaps short, and these added up; the
 *  transpose of ql_tile.
 *  shape    x [size, ...] -> y [n, ...], 1 <= n <= size      dtype  f32      grad  x */
QL_API ql_tensor * ql_sum_tiles(ql_graph * g, ql_tensor * x, int64_t n);

/** Elements [first, first + n) along a dimension.
 *  shape    x [..., size, ...] -> y [..., n, ...]; 0 <= first, 1 <= n, first + n <= size
 *  dtype    any but block types; y has x's      grad  x of f32 */
QL_API ql_tensor * ql_slice(ql_graph * g, ql_tensor * x, int dim, int64_t first, int64_t n);

/** x with zeros before and after it along a dimension.
 *  shape    x [..., n, ...] -> y [..., before + n + after, ...]
 *  dtype    any but block types; y has x's      grad  x of f32 */
QL_API ql_tensor * ql_pad(ql_graph * g, ql_tensor * x, int dim, int64_t before, int64_t after);

/** a followed by b along a dimension.
 *  shape    a [..., n, ...], b [..., m, ...], otherwise alike -> y [..., n + m, ...]
 *  dtype    both of one type, any but block types; y has theirs      grad  a, b of f32 */
QL_API ql_tensor * ql_concat(ql_graph * g, ql_tensor * a, ql_tensor * b, int dim);

/** The dimensions in another order: dimension i of y is dimension from[i] of x. Moves the values: a tensor is always
 *  contiguous.
 *  shape    x -> y; `from` has each of 0, 1, 2, 3 once
 *  dtype    any but block types; y has x's      grad  x of f32 */
QL_API ql_tensor * ql_permute(ql_graph * g, ql_tensor * x, const int from[QL_MAX_DIMS]);

/** y[:, t] = x[:, ids[t]], or zeros where ids[t] is negative. An id past the last row gives a row of NaN. Unlike
 *  ql_get_rows, which decodes a frozen table, it has a gradient.
 *  shape    x [n, rows], ids i32 [T] -> y [n, T]      dtype  x f32, f16 or bf16      grad  x of f32 */
QL_API ql_tensor * ql_gather_rows(ql_graph * g, ql_tensor * x, ql_tensor * ids);

/** y[:, r] = the sum of x[:, t] over the t with ids[t] == r, in the order of t: the gradient of ql_gather_rows. Rows
 *  with a negative id are left out; an id past the last row makes all of y NaN.
 *  shape    x [n, T], ids i32 [T] -> y [n, n_rows]      dtype  x f32, f16 or bf16      grad  x of f32 */
QL_API ql_tensor * ql_scatter_add_rows(ql_graph * g, ql_tensor * x, ql_tensor * ids, int64_t n_rows);

/** The k largest of each row, largest first; equal ones in the order of the row. NaN counts as larger than any number,
 *  so that it is seen.
 *  shape    x [n, ...] -> values [k, ...]; 1 <= k <= n      dtype  x f32, f16 or bf16      grad  x of f32
 *  ids      if not NULL, receives their positions in the row, i32 [k, ...] */
QL_API ql_tensor * ql_top_k(ql_graph * g, ql_tensor * x, int64_t k, ql_tensor ** ids);

/** The same values under another shape; shares x's storage, moves nothing.
 *  shape    x of any shape -> ne of the same number of elements      grad  x */
QL_API ql_tensor * ql_reshape(ql_graph * g, ql_tensor * x, int n_dims, const int64_t * ne);

/** y[:, t] = table[:, ids[t]]: embedding lookup, decoded to f32. An id outside the table gives a row of NaN, which the
 *  loss then reports; callers check ids first.
 *  shape    table [n, rows] of any type, ids i32 [T] -> y [n, T]      grad  none (embeddings are frozen) */
QL_API ql_tensor * ql_get_rows(ql_graph * g, ql_tensor * table, ql_tensor * ids);

/** y = w x / sqrt(mean(x^2) + eps), over the innermost dimension.                       (Zhang & Sennrich 2019)
 *  shape    x [n, ...], w f32 [n] -> y [n, ...]      grad  x, w      eps >= 0 */
QL_API ql_tensor * ql_rms_norm(ql_graph * g, ql_tensor * x, ql_tensor * w, float eps);

/** y = w (x - mean(x)) / sqrt(var(x) + eps) + b, over the innermost dimension; var divides by n, not by
 *  n - 1.                                                                                          (Ba et al. 2016)
 *  shape    x [n, ...], w and b f32 [n] or NULL (1 and 0) -> y [n, ...]      grad  x, w, b      eps >= 0 */
QL_API ql_tensor * ql_layer_norm(ql_graph * g, ql_tensor * x, ql_tensor * w, ql_tensor * b, float eps);

/** y = W x: y[i, t] = sum_k W[k, i] x[k, t]. The product with (quantised) weights; W is decoded panel by panel, never
 *  as a whole. Accumulates in f32; operands are rounded to bf16 where the device computes in bf16.
 *  shape    W [k, m] of any type, x [k, T] -> y [m, T]      grad  x; W if it is a parameter */
QL_API ql_tensor * ql_mul_mat(ql_graph * g, ql_tensor * w, ql_tensor * x);

/** z = W^T y: z[k, t] = sum_i W[k, i] y[i, t]; the backward product of ql_mul_mat from the same bytes of W.
 *  shape    W [k, m] of any type, y [m, T] -> z [k, T]      grad  y */
QL_API ql_tensor * ql_mul_mat_t(ql_graph * g, ql_tensor * w, ql_tensor * y);

/** G = x y^T summed over tokens: G[k, i] = sum_t x[k, t] y[i, t]; the gradient of a product's matrix. Always f32.
 *  shape    x [k, T], y [m, T] -> G [k, m]      grad  none (second derivatives are out of scope) */
QL_API ql_tensor * ql_outer(ql_graph * g, ql_tensor * x, ql_tensor * y);

/** out = y + s B (A x): a LoRA branch added to its linear's result.                               (Hu et al. 2021)
 *  shape    y [m, T], x [k, T], A f32 [k, r], B f32 [r, m] -> out [m, T]      grad  y, x, A, B
 *  note     reuses y's storage when nothing else reads y. Several adapters: apply one after the other. */
QL_API ql_tensor * ql_lora(ql_graph * g, ql_tensor * y, ql_tensor * x, ql_tensor * a, ql_tensor * b, float s);

/** c_i = g_i / |W_i + s (B A)_i|, a number for each row of a weight, by which DoRA multiplies the linear's result
 *  y + s B (A x). |.| is the Euclidean norm of the row, and counts as a constant for the gradient.      (Liu et al. 2024)
 *  shape    magnitude f32 [m], w [k, m], w2 f32 [m]: |W_i|^2, A f32 [k, r], B f32 [r, m] -> c [m]      grad  magnitude */
QL_API ql_tensor * ql_dora_scale(ql_graph * g, ql_tensor * magnitude, ql_tensor * w, ql_tensor * w2, ql_tensor * a,
                                 ql_tensor * b, float s);

/** merged = Q(W + s B A), in place: the weight that a file will hold once the branch is merged into W, packed in its own
 *  type Q. A row is made in one order of sums, which ql_adapter_merge has too: W's row decoded, then s times
 *  (b_0 A_0 + b_1 A_1 + ...), the sum from zero and in order, each product and sum rounded to f32.
 *  shape    merged a state [k, m] of a type that can be written, W [k, m] of any type, A f32 [k, r], B f32 [r, m]
 *  returns  merged as it is afterwards      grad  none (ql_mul_mat_merged has it)
 *  run      QL_NON_FINITE where W + s B A is no number, or too large for a block's scale */
QL_API ql_tensor * ql_lora_merge(ql_graph * g, ql_tensor * merged, ql_tensor * w, ql_tensor * a, ql_tensor * b, float s);

/** y = merged x, where ql_lora_merge made `merged` = Q(W + s B A). Rounding has no useful derivative: A and B get the
 *  gradient that they would have without it, that of s B (A x), straight through Q.        (Bengio et al. 2013)
 *  shape    merged [k, m] of any type, x [k, T], A f32 [k, r], B f32 [r, m] -> y [m, T]
 *  grad     x (by merged); A, B: dA = s (B^T dy) x^T, dB = s dy (A x)^T */
QL_API ql_tensor * ql_mul_mat_merged(ql_graph * g, ql_tensor * merged, ql_tensor * x, ql_tensor * a, ql_tensor * b,
                                     float s);

/** y = W x + sum_i s[i, t] B_i A_i x: a linear with the LoRA branches of several adapters, whose factors are data: a token
 *  may have several, one or none, and another run others. What a factor of 0 switches off is not computed, whatever is in
 *  A_i and B_i.
 *  shape    W [k, m] of any type, x [k, T], s f32 [n_adapters, T] -> y [m, T]; of each branch A_i [k, r_i] and its
 *           B_i, transposed: [m, r_i]
 *  dtype    A_i and B_i f32, f16 or bf16      grad  none
 *  adapter  the branches' rows of s, ascending; n of each, 1 <= n, n_adapters <= QL_LORA_MIX_MOST
 *                                                              (Chen et al. 2023: batches over several adapters) */
#define QL_LORA_MIX_MOST 64
QL_API ql_tensor * ql_lora_mix(ql_graph * g, ql_tensor * w, ql_tensor * x, ql_tensor * s, int n, const int * adapter,
                               ql_tensor * const * a, ql_tensor * const * bt);

/** x with elements zeroed with probability p and the others scaled by 1 / (1 - p). Element (i, t) is decided by
 *  Philox 4x32-10 keyed by (seed, stream, step) at counter (token_offset + t) * n + i: the same for any thread count.
 *  shape    x [n, T], key i32 [4] = {seed low, seed high, step, token offset} -> [n, T]      grad  x
 *  stream   tells dropouts of one graph apart      0 <= p < 1 */
QL_API ql_tensor * ql_dropout(ql_graph * g, ql_tensor * x, ql_tensor * key, float p, int stream);

/** y[i, t] = x[i, t] + amplitude[t] u, u uniform in (-1, 1), from Philox 4x32-10 as ql_dropout's choice: the same for any
 *  thread count. On embeddings, with amplitude alpha / sqrt(L n) for a sample of L tokens, it is NEFTune.
 *  shape    x [n, T], amplitude f32 [T], key i32 [4] = {seed low, seed high, step, token offset} -> [n, T]      grad  x
 *  stream   tells it from dropouts and other noise of a graph                                       (Jain et al. 2023) */
QL_API ql_tensor * ql_uniform_noise(ql_graph * g, ql_tensor * x, ql_tensor * amplitude, ql_tensor * key, int stream);

typedef enum ql_rope_mode {
    QL_ROPE_NORMAL = 0, /* pairs (2i, 2i + 1): llama-type GGUF files */
    QL_ROPE_NEOX = 1    /* pairs (i, i + n_rot / 2): Hugging Face layout, Qwen, Gemma, Phi */
} ql_rope_mode;

/** cos and sin of the rotary angles: table[2i, t] = m cos(a), table[2i + 1, t] = m sin(a),
 *  a = pos[t] * scale * base^(-2i / n_rot) / factors[i].                                      (Su et al. 2021)
 *  shape    pos i32 [T], factors f32 [n_rot / 2] or NULL (all 1) -> table [n_rot, T]      grad  none
 *  scale    1 / factor for linear scaling, else 1;  m  magnitude, 1 but for YaRN-like scalings */
QL_API ql_tensor * ql_rope_table(ql_graph * g, ql_tensor * pos, ql_tensor * factors, int n_rot, float base, float scale,
                                 float m);
/** Rotates the first n_rot = table's ne[0] elements of every head by the table's angles; the rest is copied.
 *  shape    x [d, H, T], table [n_rot, T], n_rot <= d even -> [d, H, T]      grad  x */
QL_API ql_tensor * ql_rope(ql_graph * g, ql_tensor * x, ql_tensor * table, ql_rope_mode mode);

/** Attention, fused: o[:, h, t] = sum_j softmax_j(scale q[:, h, t] . k[:, h', j]) v[:, h', j] over the keys
 *  j in [span[0, t], span[1, t]), h' = h / (H / H_kv). An empty span gives zeros. One range for each query is
 *  enough for causal order, packed segments, sliding windows, padding and KV caches. Memory is linear in T and S.
 *  shape    q [d, H, T], k, v [d, H_kv, S], span i32 [2, T] -> o [d, H, T]
 *  dtype    q, o f32; k, v both f32 or both f16, a cache's (ql_kv_store)          grad  q, k, v of f32
 *                                                              (Dao et al. 2022; Milakov & Gimelshein 2018) */
QL_API ql_tensor * ql_attention(ql_graph * g, ql_tensor * q, ql_tensor * k, ql_tensor * v, ql_tensor * span, float scale);

/** ql_attention over keys and values that lie in pages of n: key j is key j % n of page pages[j / n]. A table may name
 *  a page several times, so that sequences share what they have in common. Each sequence of a batch takes a range of
 *  the table, and its spans name keys of that range: there is no other notion of a sequence.
 *  shape    q [d, H, T], k, v [d, H_kv, n, P], n a power of two >= 64, span i32 [2, T], pages i32 [V] -> o [d, H, T]
 *           Spans are cut to [0, V n), numbers of pages to [0, P).
 *  dtype    as ql_attention                                                                        grad  none
 *  bits     those of ql_attention over the same keys in a row. A sequence has the same bits as alone if its range of
 *           the table begins at a multiple of QL_KEYS_APART keys: kernels cut the keys there.
 *                                                                                        (Kwon et al. 2023) */
#define QL_KEYS_APART 256
QL_API ql_tensor * ql_attention_paged(ql_graph * g, ql_tensor * q, ql_tensor * k, ql_tensor * v, ql_tensor * span,
                                      ql_tensor * pages, float scale);

/** Either of the two, with scores that never leave (-cap, cap): softmax_j(cap tanh(scale q . k / cap)).
 *  shape    as ql_attention's, pages NULL; or as ql_attention_paged's
 *  grad     q, k, v of f32, without pages      cap > 0                              (Gemma Team 2024: Gemma 2) */
QL_API ql_tensor * ql_attention_capped(ql_graph * g, ql_tensor * q, ql_tensor * k, ql_tensor * v, ql_tensor * span,
                                       ql_tensor * pages, float scale, float cap);

/** Copies rows into a cache in place: cache[:, index[t]] = rows[:, t]; returns the cache as it is afterwards.
 *  shape    cache state [n, S], rows [n, T], index i32 [T], indices distinct; those outside [0, S) are skipped
 *  dtype    cache f32 or f16, rows f32; rounded to nearest. f16 ends at 65504: larger values (65520 and more,
 *           infinity) become NaN in the cache, so that results computed from them are NaN too, and not quietly wrong
 *  grad     none */
QL_API ql_tensor * ql_kv_store(ql_graph * g, ql_tensor * cache, ql_tensor * rows, ql_tensor * index);

/** y = silu(gate) * up, silu(x) = x / (1 + exp(-x)).                                               (Shazeer 2020)
 *  shape    gate, up of one shape -> y      grad  gate, up */
QL_API ql_tensor * ql_swiglu(ql_graph * g, ql_tensor * gate, ql_tensor * up);

/** Output projection and cross-entropy in one, in chunks of tokens: the logits of a batch never exist as a whole.
 *  nll[t] = logsumexp_i(W x)[i, t] - (W x)[target[t], t] for target[t] >= 0, else 0;   loss = sum_t weight[t] nll[t].
 *  shape    x [n, T], W [n, V] of any type, target i32 [T] (negative: no loss there), weight f32 [T] -> loss f32 [1]
 *  grad     x
 *  nll      if not NULL, receives the tensor of the losses by token, f32 [T], in nats */
QL_API ql_tensor * ql_head_loss(ql_graph * g, ql_tensor * x, ql_tensor * w, ql_tensor * target, ql_tensor * weight,
                                ql_tensor ** nll);

/** The same over logits that never leave (-cap, cap): cap tanh(W x / cap).
 *  shape    as ql_head_loss's      grad  x      cap > 0                             (Gemma Team 2024: Gemma 2) */
QL_API ql_tensor * ql_head_loss_capped(ql_graph * g, ql_tensor * x, ql_tensor * w, ql_tensor * target,
                                       ql_tensor * weight, float cap, ql_tensor ** nll);

/** ql_head_loss where some rows of W have logits that come from elsewhere: (W x)[rows[r], t] is own[r, t]. What these were
 *  computed from, such as trained rows in place of frozen ones, gets its gradient through them.
 *  shape    as ql_head_loss; rows i32 [R], distinct (one outside [0, V) is left out), own f32 [R, T]
 *  grad     x (without those rows of W), own
 *  cap      0: none, else all logits, these too, are capped as ql_head_loss_capped's */
QL_API ql_tensor * ql_head_loss_rows(ql_graph * g, ql_tensor * x, ql_tensor * w, ql_tensor * target, ql_tensor * weight,
                                     ql_tensor * rows, ql_tensor * own, float cap, ql_tensor ** nll);

#ifdef __cplusplus
}
#endif
#endif
