// What a composed adapter says of where it comes from.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "models/adapter/compose/compose.hpp"

namespace ql {

/// The adapters in messages: their paths, or "adapter 0".
std::vector<std::string> names_of(std::span<const WeightedAdapter> adapters);

/// One base for all: by identity where two say it, else by name.       errors  QL_BAD_FILE names both
Status check_same_base(std::span<const WeightedAdapter> adapters);
/// The same in words for a file, which does not say where its parts lay; "" of adapters with one base.
std::string other_base_text(std::span<const WeightedAdapter> adapters);

/// Whether a composition leaves its one adapter as it is.
bool keeps_whole(std::span<const WeightedAdapter> adapters, const ComposeOptions & options);

/// A single adapter that is kept whole keeps its own. Else the base's hashes stay as far as the parts agree, the runs are those
/// of all parts, and `composed` names method, weights and parts.
Origin compose_origin(std::span<const WeightedAdapter> adapters, const ComposeOptions & options);

/// Of an adapter that was made of one other: its own, and in `composed` how it was made ("resize, rank 8") and of what.
Origin derived_origin(const Adapter & from, const std::string & how);

}  // namespace ql
