// Adapters of which every token of a stream has its own, with its own factors: what an engine applies.
#pragma once
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "models/adapter/adapter.hpp"
#include "models/graph/builder.hpp"

namespace ql {

class MixedAdapters {
  public:
    /// Copies the adapters' matrices: B transposed and with its scale, and both in bf16 where products compute in it.
    /// Prompts round them so in any case; held so, half the bytes are read for each token generated.
    MixedAdapters(std::span<const Adapter * const> adapters, bool bf16);
    int64_t n() const { return n_; }
    /// Of the copies.
    uint64_t bytes() const;
    /// Makes leaves of the copies, which must outlive the graph, and attaches them.
    void attach(GraphBuilder & b) const;

  private:
    /// A matrix, in one of its two types.
    struct Matrix {
        int64_t ne[2] = {};
        std::vector<float> f32;
        std::vector<uint16_t> bf16;
        ql_tensor * leaf(ql_graph * g, const std::string & name) const;
    };
    struct Branch {
        std::string weight;
        int adapter = 0;
        Matrix a, bt;
    };
    static Matrix matrix(int64_t n, int64_t m, std::vector<float> values, bool bf16);

    int64_t n_ = 0;
    std::vector<Branch> branches_;
};

}  // namespace ql
