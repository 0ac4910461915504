// Rows that an adapter has of its own, in place of a table's: the embedding of some tokens, and their logits. The table
// stays as it is, in whatever type; what is trained, or read from an adapter, lies beside it in f32.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "models/graph/branch.hpp"
#include "ql/ql.h"
#include "ql/status.hpp"

namespace ql {

struct StreamInputs;

/// The leaves of the rows that stand in place of R of a weight's [n, rows].
struct OwnRows {
    ql_tensor * values = nullptr;  // f32 [n, R]
    ql_tensor * minus = nullptr;   // f32 [n, R]: the weight's own, decoded, times -1; of an embedding
    ql_tensor * ids = nullptr;     // i32 [R]: which rows they are; of a head
};

/// x, the weight's rows of a stream's tokens, with own rows in their place: (x - w) + v, which is v without rounding.
/// slots  i32 [T]: where among the own rows a token's is, -1 for none
ql_tensor * with_own_rows(ql_graph * g, ql_tensor * x, const OwnRows & rows, ql_tensor * slots);

/// Puts the products of own rows in the place of the weight's: y + (v x - w x) in these rows.
BranchPtr own_rows_branch(const OwnRows & rows);

/// Where among `ids`, which ascend, each token is; -1 for none.
std::vector<int32_t> slots_of(std::span<const int32_t> ids, std::span<const int32_t> tokens);

}  // namespace ql
