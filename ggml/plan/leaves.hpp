// Memory of leaves: it belongs to the graph, one piece for each leaf and device.
#pragma once
#include <set>
#include <span>

#include "ggml/plan/list.hpp"
#include "ql/status.hpp"

namespace ql {

/// Gives leaves storage on their values' devices where they have none: zeros; a frozen weight is uploaded once, or used
/// where it is if the device reads host memory. The uploads run side by side; all are done, or none counts as done.
Status settle_leaves(std::span<const Value * const> leaves);
/// Gives weights that stay in memory room there, which takes no memory until it is filled, and gives back to the system
/// what of their mapping was read so far, of all weights. A weight that is mapped from no file is used where it is.
Status settle_weights(std::span<const Value * const> leaves, const std::set<Tensor *> & resident);
/// Whether settle_weights gave one of them room.
bool have_copies(std::span<const Value * const> leaves);
/// Reads the weights that settle_weights gave room, but for those that are `read`, and notes that they are.
Status fill_weights(std::span<const Value * const> leaves, std::set<const Tensor *> & read);
/// Where a settled leaf's bytes are on the value's device.
void * leaf_address(const Value & leaf);

}  // namespace ql
