// The two halves of a layer of a dense transformer, with all that models vary: each adds to the stream x [n_embd, T].
#pragma once
#include "models/dense/traits.hpp"
#include "models/graph/builder.hpp"

namespace ql {

/// x + attention(x). Norms are applied where the model has their weights; q, k and v may come from one weight.
ql_tensor * add_attention(GraphBuilder & b, const DenseTraits & traits, int64_t layer, ql_tensor * x);

/// x + feed-forward(x). Gate and up may come from one weight.
ql_tensor * add_feed_forward(GraphBuilder & b, const DenseTraits & traits, int64_t layer, ql_tensor * x);

}  // namespace ql
