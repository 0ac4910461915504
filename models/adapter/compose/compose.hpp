// Several adapters of one base made into one.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "models/adapter/adapter.hpp"

namespace ql {

struct WeightedAdapter {
    const Adapter * adapter = nullptr;
    double weight = 1;      // may be negative
    std::string path = {};  // in messages; "": its place in the list
};

struct ComposeOptions {
    std::string method = "cat";
    int64_t rank = 0;    // of a method that takes one; 0: the largest of the parts'
    double density = 1;  // the fraction of values that is kept, of a method that drops some
    uint64_t seed = 42;
    int threads = 1;  // of a linear; the result does not depend on it
    BaseRule base = BaseRule::kSame;
};

/// What is to be composed for one linear.
struct ComposePart {
    const LoraMatrix * matrix;
    double weight;
    const char * adapter;  // in messages

    double strength() const { return weight * static_cast<double>(matrix->scale); }
};
struct MergeInput;

/// A way to compose parts with deltas D_i = s_i B_i A_i and weights w_i.
struct ComposeMethod {
    const char * name;
    const char * meaning;
    bool takes_rank, takes_density;
    Result<LoraMatrix> (*compose)(const ComposeMethod &, std::span<const ComposePart>, const ComposeOptions &);
    std::vector<double> (*rule)(MergeInput);  // for A and B, or for D; null: a sum
};
/// cat (exact), linear, svd, ties, ties_svd, dare_linear, dare_ties ...: the names are PEFT's.
std::span<const ComposeMethod> compose_methods();

/// options.threads  of all linears together
/// A linear that only some adapters change is composed of those alone.
/// errors   QL_INVALID_ARGUMENT: an unknown method, an option that it does not take, a number out of range, no adapter,
///          ranks that a method cannot mix; QL_BAD_FILE: adapters for different architectures; QL_BAD_SHAPE
Result<Adapter> compose_adapters(std::span<const WeightedAdapter> adapters, const ComposeOptions & options);

}  // namespace ql
