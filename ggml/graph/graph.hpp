// The graph: owner of tensors and nodes. Nodes are only ever appended, so their order is a topological order.
#pragma once
#include <deque>
#include <initializer_list>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "ggml/core/os/fd.hpp"
#include "ggml/core/os/os.hpp"
#include "ggml/graph/tensor.hpp"
#include "ggml/ir/op_def.hpp"
#include "ql/graph.h"
#include "ql/status.hpp"

struct ql_graph {
  public:
    ql_graph() = default;
    ql_graph(const ql_graph &) = delete;
    ql_graph & operator=(const ql_graph &) = delete;

    /// A leaf; null (and the graph's error set) when the shape does not fit the type.
    ql_tensor * leaf(ql::TensorKind kind, const char * name, ql_dtype dtype, int n_dims, const int64_t * ne,
                     const void * data);

    /// Appends a node and returns its first result; null when a required source is null or the shape rule refuses.
    ql_tensor * emit(const ql::OpDef & def, std::initializer_list<ql_tensor *> src, ql::Params params = {});
    ql_tensor * emit(const ql::OpDef & def, std::span<ql_tensor * const> src, ql::Params params = {});

    /// The place in the model of the nodes that are appended from here on; 0 at first.
    void set_place(int place) { place_ = place; }
    int place() const { return place_; }
    /// Whether nodes that are appended from here on are of a backward pass; false at first.
    void set_backward(bool backward) { backward_ = backward; }

    /// Leaves that a plan has in memory only while nodes use them; see ql_graph_page_out.
    ql::Status page_out(std::span<ql_tensor * const> leaves, const char * folder);
    /// Where the bytes of such a leaf are between runs; null: it is none.
    const ql::os::FileRange * file_of(const ql_tensor & leaf) const {
        const auto it = files_.find(&leaf);
        return it == files_.end() ? nullptr : &it->second;
    }

    const ql::Status & status() const { return status_; }
    /// Keeps the first error.
    void fail(ql::Status status);

    const std::deque<ql::GraphNode> & nodes() const { return nodes_; }
    const std::deque<ql_tensor> & tensors() const { return tensors_; }

  private:
    ql_tensor * add_tensor();

    std::deque<ql::GraphNode> nodes_;
    std::deque<ql_tensor> tensors_;
    std::vector<ql::os::Fd> spills_;
    std::unordered_map<const ql_tensor *, ql::os::FileRange> files_;  // in them, of leaves that are paged out
    ql::Status status_;
    int place_ = 0;
    bool backward_ = false;
};

namespace ql {
using Graph = ::ql_graph;

inline bool is_paged_out(const Tensor & leaf) {
    return leaf.graph->file_of(leaf) != nullptr;
}
}  // namespace ql
