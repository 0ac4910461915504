// The graph of a dense transformer: embedding, layers, final norm.
#include "models/dense/dense.hpp"
#include "models/dense/layer.hpp"

namespace ql {

ql_tensor * Dense::hidden(GraphBuilder & b) const {
    ql_tensor * x = b.embed();
    for (int64_t i = 0; i < b.hparams().n_layer(); ++i) {
        b.enter_layer(i);
        x = add_feed_forward(b, traits_, i, add_attention(b, traits_, i, x));
    }
    return b.norm("output_norm.weight", x);
}

}  // namespace ql
