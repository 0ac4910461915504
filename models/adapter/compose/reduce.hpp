// Smaller adapters: of a lower rank, or for fewer linears.
#pragma once
#include <functional>
#include <string>

#include "models/adapter/adapter.hpp"

namespace ql {

/// What became of the change D of one weight.
struct AdapterChange {
    std::string weight;
    int64_t k = 0, m = 0;
    int64_t r_from = 0, r = 0;   // 0: no branch
    double norm = 0, error = 0;  // of D, and of what the new adapter lacks of it
    std::string note;            // why D is not in the adapter
};
/// Told of each weight in order, on the caller's thread; an error stops the work.
using OnChange = std::function<Status(const AdapterChange & change, int64_t index, int64_t n)>;

struct ResizeOptions {
    int64_t rank = 0;   // at most; 0: the matrix's own
    double energy = 1;  // below 1: the smallest rank that keeps this part of |D|^2, for each matrix
    int threads = 1;
};
/// The best approximation of each D at a lower rank. What has no higher rank stays as it is.
/// errors   QL_INVALID_ARGUMENT: no rank and no energy, or one out of range
Result<Adapter> resize_adapter(const Adapter & adapter, const ResizeOptions & options, const OnChange & on_change);

struct PruneOptions {
    std::string drop;       // a regular expression searched for in weight names; "": none
    double least_norm = 0;  // of D
    double energy = 1;      // below 1: the smallest D go, as long as the others keep this part of the sum of all |D|^2
};
/// The adapter for fewer linears; the branches that stay are as they were.
/// errors   QL_INVALID_ARGUMENT: nothing to go by, a number out of range, a pattern that is none; nothing would be left
Result<Adapter> prune_adapter(const Adapter & adapter, const PruneOptions & options, const OnChange & on_change);

}  // namespace ql
