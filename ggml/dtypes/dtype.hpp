// What the rest of the engine knows of an element type at run time: one table row a format, expanded from dtypes.def.
// Code that wants the format at compile time (kernels) includes the format's own header, or visit.hpp for all of them.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "ql/dtype.h"
#include "ql/status.hpp"

namespace ql {

struct DTypeDef {
    const char * name;     // as in files and on command lines: "nf4_dq"
    ql_dtype id;           // as in GGUF files
    int64_t block_length;  // elements; rows are multiples of it
    size_t block_bytes;    // bytes of a block; 0 for a planar format, whose blocks have no place of their own
    size_t alignment;      // a tensor's start is a multiple of it
    bool quantised;        // encoding loses more than rounding to a float does; NaN and Inf cannot be encoded

    /// Bytes of a tensor of n elements. 0 where n is negative, not a multiple of the block length, or too large.
    size_t (*bytes)(int64_t n);
    /// The whole tensor; nullptr for a format that is only read. See ql_encode.
    Status (*encode)(const float * src, int64_t n, void * dst);
    /// `count` elements from element `first` of a tensor of n; both are multiples of the block length. See ql_decode.
    void (*decode)(const void * src, int64_t n, int64_t first, int64_t count, float * dst);
    /// The same into doubles: the f32 values widened, but exact for i32, which f32 cannot hold.
    void (*decode_f64)(const void * src, int64_t n, int64_t first, int64_t count, double * dst);
};

/// The row of a type, nullptr for an id that is not known (ids come from files).
const DTypeDef * find_dtype(ql_dtype dtype);

/// Every row, in dtypes.def's order.
std::span<const DTypeDef> all_dtypes();

}  // namespace ql
