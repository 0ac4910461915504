// Graphs around one operator, for measuring it.
#pragma once
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "tools/cli/handles.hpp"

namespace ql::cli {

struct OpShape {
    ql_dtype dtype;   // of the weight
    int64_t k, m, t;  // row length, rows, tokens
};

/// Holds the operator `name` (backward ones by way of a loss); throws Stop for an unknown name.
class OpGraph {
  public:
    OpGraph(const std::string & name, const OpShape & shape);
    ql_graph * graph() const { return graph_.get(); }
    const std::vector<ql_tensor *> & outputs() const { return outputs_; }
    /// Plausible values in every leaf, once a plan gave them storage.
    void fill() const;
    /// Throws Stop for an operator that is not in the table.
    static void check(const std::string & name) { (void)has_weight(name); }
    static bool has_weight(const std::string & name);
    static std::string names();

    // For the builders of operators:
    ql_tensor * weight(int64_t k, int64_t m, ql_dtype dtype);
    ql_tensor * floats(std::vector<int64_t> ne, bool differentiate = true);
    ql_tensor * integers(int64_t n, int64_t limit);
    ql_tensor * spans(int64_t t);
    ql_tensor * state(std::vector<int64_t> ne);
    OpShape shape;

  private:
    void append_gradients(ql_tensor * y);
    struct Integers {
        ql_tensor * tensor;
        std::vector<int32_t> values;
    };
    Graph graph_;
    std::deque<std::vector<uint8_t>> weights_;  // borrowed by the graph, over-allocated to align them
    std::vector<ql_tensor *> floats_, params_, outputs_;
    std::vector<Integers> integers_;
};

}  // namespace ql::cli
