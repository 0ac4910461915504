// The table below is all there is to add for an operator; its backward operator comes with it, as the loss behind
// brings every gradient node into the graph.
#include "tools/bench/op_graph.hpp"

#include <cmath>

#include "ql/grad.h"
#include "ql/ops.h"
#include "ql/optim.h"
#include "tools/bench/random_codes.hpp"
#include "tools/cli/stop.hpp"

namespace ql::cli {
namespace {

constexpr int64_t kHeadDim = 64, kRank = 16, kClasses = 32;

int64_t n_heads(const OpShape & s) {
    if (s.k % kHeadDim)
        bad_input("--shape: the row length must be a multiple of %lld, the length of a head",
                  static_cast<long long>(kHeadDim));
    return s.k / kHeadDim;
}
ql_tensor * matrix_of(ql_graph * g, ql_tensor * x) {
    const int64_t ne[] = {ql_tensor_ne(x, 0) * (ql_tensor_ne(x, 2) > 1 ? ql_tensor_ne(x, 1) : 1),
                          ql_tensor_ne(x, 2) > 1 ? ql_tensor_ne(x, 2) : ql_tensor_ne(x, 1)};
    return ql_reshape(g, x, 2, ne);
}

struct Row {
    const char * name;
    bool has_weight;
    ql_tensor * (*build)(OpGraph & g);
    const char * back = nullptr;  // the operator of its gradient
};

const Row kRows[] = {
    {"mul_mat", true,
     [](OpGraph & g) {
         return ql_mul_mat(g.graph(), g.weight(g.shape.k, g.shape.m, g.shape.dtype), g.floats({g.shape.k, g.shape.t}));
     }},
    {"mul_mat_t", true,
     [](OpGraph & g) {
         return ql_mul_mat_t(g.graph(), g.weight(g.shape.k, g.shape.m, g.shape.dtype),
                             g.floats({g.shape.m, g.shape.t}));
     }},
    {"outer", false,
     [](OpGraph & g) {
         return ql_outer(g.graph(), g.floats({g.shape.k, g.shape.t}), g.floats({g.shape.m, g.shape.t}));
     }},
    {"lora", false,
     [](OpGraph & g) {
         ql_tensor * y = g.floats({g.shape.m, g.shape.t}, false);
         return ql_lora(g.graph(), y, g.floats({g.shape.k, g.shape.t}), g.floats({g.shape.k, kRank}),
                        g.floats({kRank, g.shape.m}), 2.0f);
     },
     "lora_back"},
    {"get_rows", true,
     [](OpGraph & g) {
         return ql_get_rows(g.graph(), g.weight(g.shape.k, g.shape.m, g.shape.dtype), g.integers(g.shape.t, g.shape.m));
     }},
    {"add", false,
     [](OpGraph & g) {
         return ql_add(g.graph(), g.floats({g.shape.k, g.shape.t}), g.floats({g.shape.k, g.shape.t}));
     }},
    {"rms_norm", false,
     [](OpGraph & g) {
         return ql_rms_norm(g.graph(), g.floats({g.shape.k, g.shape.t}), g.weight(g.shape.k, 1, QL_F32), 1e-5f);
     },
     "rms_norm_back"},
    {"swiglu", false,
     [](OpGraph & g) {
         return ql_swiglu(g.graph(), g.floats({g.shape.k, g.shape.t}), g.floats({g.shape.k, g.shape.t}));
     },
     "swiglu_back"},
    {"rope", false,
     [](OpGraph & g) {
         ql_tensor * table =
             ql_rope_table(g.graph(), g.integers(g.shape.t, 1 << 20), nullptr, kHeadDim, 10000.0f, 1.0f, 1.0f);
         return ql_rope(g.graph(), g.floats({kHeadDim, n_heads(g.shape), g.shape.t}), table, QL_ROPE_NORMAL);
     }},
    {"rope_table", false,
     [](OpGraph & g) {
         return ql_rope_table(g.graph(), g.integers(g.shape.t, 1 << 20), nullptr, kHeadDim, 10000.0f, 1.0f, 1.0f);
     }},
    {"attention", false,
     [](OpGraph & g) {
         const int64_t heads = n_heads(g.shape), kv = heads % 3 == 0 ? heads / 3 : heads;
         ql_tensor * q = g.floats({kHeadDim, heads, g.shape.t});
         ql_tensor *k = g.floats({kHeadDim, kv, g.shape.t}), *v = g.floats({kHeadDim, kv, g.shape.t});
         return ql_attention(g.graph(), q, k, v, g.spans(g.shape.t), 0.125f);
     },
     "attention_back"},
    {"kv_store", false,
     [](OpGraph & g) {
         return ql_kv_store(g.graph(), g.state({g.shape.k, g.shape.t}), g.floats({g.shape.k, g.shape.t}),
                            g.integers(g.shape.t, g.shape.t));
     }},
    {"head_loss", true, nullptr, "head_loss_back"},
    {"accumulate", false,
     [](OpGraph & g) {
         return ql_accumulate(g.graph(), g.state({g.shape.k, g.shape.m}), g.floats({g.shape.k, g.shape.m}));
     }},
    {"zero", false,
     [](OpGraph & g) {
         return ql_zero(g.graph(), g.state({g.shape.k, g.shape.m}));
     }},
    {"global_norm", false,
     [](OpGraph & g) {
         ql_tensor * x = g.floats({g.shape.k, g.shape.m});
         return ql_global_norm(g.graph(), &x, 1);
     }},
    {"adamw", false,
     [](OpGraph & g) {
         ql_tensor *p = g.floats({g.shape.k, g.shape.m}), *grad = g.floats({g.shape.k, g.shape.m});
         ql_tensor *m = g.state({g.shape.k, g.shape.m}), *v = g.state({g.shape.k, g.shape.m});
         return ql_adamw(g.graph(), p, grad, m, v, g.floats({1}), g.floats({QL_HYPER_N}), 1.0f);
     }},
};

const Row & find_row(const std::string & name) {
    for (const Row & row : kRows)
        if (name == row.name || (row.back && name == row.back)) return row;
    bad_input("op: '%s' is unknown; one of %s", name.c_str(), OpGraph::names().c_str());
}

}  // namespace

bool OpGraph::has_weight(const std::string & name) {
    return find_row(name).has_weight;
}

std::string OpGraph::names() {
    std::string list;
    for (const Row & row : kRows)
        list += (list.empty() ? "" : ", ") + std::string(row.name) + (row.back ? std::string(", ") + row.back : "");
    return list;
}

OpGraph::OpGraph(const std::string & name, const OpShape & s) : shape(s) {
    const Row & row = find_row(name);
    ql_graph * g = nullptr;
    check_run(ql_graph_create(&g));
    graph_.reset(g);
    if (!row.build) {
        append_gradients(floats({shape.k, shape.t}));  // the loss is the operator
    } else {
        ql_tensor * y = row.build(*this);
        outputs_.push_back(y);
        if (row.back && name == row.back) append_gradients(matrix_of(g, y));
    }
    check_run(ql_graph_status(g));
}

void OpGraph::append_gradients(ql_tensor * y) {
    const bool itself = outputs_.empty();  // of head_loss the shape counts, elsewhere it shall be small
    const int64_t n = ql_tensor_ne(y, 0), classes = itself ? shape.m : kClasses, t = ql_tensor_ne(y, 1);
    ql_tensor * w = weight(n, classes, itself ? shape.dtype : QL_F32);
    const std::vector<ql_tensor *> params = params_;
    ql_tensor * loss = ql_head_loss(graph(), y, w, integers(t, classes), floats({t}, false), nullptr);
    std::vector<ql_tensor *> grads(params.size());
    if (params.empty() || !loss) return;
    check_run(
        ql_gradients(graph(), loss, params.data(), static_cast<int>(params.size()), QL_RECOMPUTE_NONE, grads.data()));
    outputs_ = grads;
    outputs_.push_back(loss);
}

ql_tensor * OpGraph::weight(int64_t k, int64_t m, ql_dtype dtype) {
    const int64_t n = k * m, ne[] = {k, m};
    const size_t bytes = ql_dtype_bytes(dtype, n);
    if (bytes == 0 || k % ql_dtype_block_length(dtype))
        bad_input("--shape: rows of %lld do not fit %s's blocks of %lld", static_cast<long long>(k),
                  ql_dtype_name(dtype), static_cast<long long>(ql_dtype_block_length(dtype)));
    std::vector<uint8_t> & store = weights_.emplace_back(bytes + 64);
    uint8_t * aligned = store.data() + (64 - reinterpret_cast<uintptr_t>(store.data()) % 64) % 64;
    RandomCodes(dtype, weights_.size()).produce(0, n, 0, bytes, aligned);
    return ql_weight(graph(), "weight", dtype, m == 1 ? 1 : 2, ne, aligned);
}

ql_tensor * OpGraph::floats(std::vector<int64_t> ne, bool differentiate) {
    const std::string name = "x" + std::to_string(floats_.size());
    ql_tensor * x = differentiate ? ql_param(graph(), name.c_str(), static_cast<int>(ne.size()), ne.data())
                                  : ql_input(graph(), name.c_str(), QL_F32, static_cast<int>(ne.size()), ne.data());
    floats_.push_back(x);
    if (differentiate) params_.push_back(x);
    return x;
}

ql_tensor * OpGraph::integers(int64_t n, int64_t limit) {
    ql_tensor * x = ql_input(graph(), ("i" + std::to_string(integers_.size())).c_str(), QL_I32, 1, &n);
    std::vector<int32_t> values;
    for (int64_t i = 0; i < n; ++i) values.push_back(static_cast<int32_t>(i % limit));
    integers_.push_back({x, std::move(values)});
    return x;
}

ql_tensor * OpGraph::spans(int64_t t) {
    const int64_t ne[] = {2, t};
    ql_tensor * x = ql_input(graph(), "span", QL_I32, 2, ne);
    std::vector<int32_t> values;
    for (int64_t i = 0; i < t; ++i) values.insert(values.end(), {0, static_cast<int32_t>(i + 1)});
    integers_.push_back({x, std::move(values)});
    return x;
}

ql_tensor * OpGraph::state(std::vector<int64_t> ne) {
    return ql_state(graph(), "state", QL_F32, static_cast<int>(ne.size()), ne.data());
}

void OpGraph::fill() const {
    for (ql_tensor * x : floats_) {
        std::vector<float> values(static_cast<size_t>(ql_tensor_elements(x)));
        for (size_t i = 0; i < values.size(); ++i)
            values[i] = 0.5f + 0.4f * std::sin(static_cast<float>(i % 9973) * 2.3f);
        check_run(ql_tensor_write(x, values.data(), 0, values.size() * sizeof(float)));
    }
    for (const Integers & x : integers_)
        check_run(ql_tensor_write(x.tensor, x.values.data(), 0, x.values.size() * sizeof(int32_t)));
}

}  // namespace ql::cli
