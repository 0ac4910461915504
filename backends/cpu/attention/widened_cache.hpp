// A cache of f16 for kernels of many queries, which take keys and values of f32: these stand in scratch as f32, made
// once for all queries. Few queries read the cache where it lies (few.cpp).
#pragma once
#include "backends/cpu/device.hpp"

namespace ql::cpu {

/// What run_on_widened_cache needs of scratch for an attention that needs `inner_scratch`.
size_t widened_cache_scratch(const Node & n, size_t inner_scratch);

/// `inner` sees a node that says f16 of k and v though their addresses hold f32; the keys follow each other, the table
/// of pages is not there, nor are the keys that AttentionShape::of_seen_keys leaves out.
Status run_on_widened_cache(const Launch & l, Status (*inner)(const Launch &), size_t inner_scratch);

}  // namespace ql::cpu
