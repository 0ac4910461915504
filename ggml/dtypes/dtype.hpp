// What the rest of the engine knows of an element type at run time: one table row a format, expanded from dtypes.def.
// Code that wants the format at compile time (kernels) includes the format's own header, or visit.hpp for all of them.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "ql/dtype.h"
#include "ql/status.hpp"

namespace ql {

struct Importance;  // scale_search.hpp

/// What a type is for, and whether it can be written: the columns of dtypes.def.
enum class Holds { weights, numbers };
enum class Access { written, read };

struct DTypeDef {
    const char * name;     // as in files and on command lines: "nf4_dq"
    ql_dtype id;           // as in GGUF files
    int64_t block_length;  // elements; rows are multiples of it
    size_t block_bytes;    // bytes of a block; 0 for a planar format, whose blocks have no place of their own
    size_t alignment;      // a tensor's start is a multiple of it
    Holds holds;           // weights of a model, or whole numbers alone
    bool quantised;        // encoding loses more than rounding to a float does; NaN and Inf cannot be encoded

    int file_type;  // general.file_type of a GGUF file whose matrices have the type; -1: none, or not written here

    /// Bytes of a tensor of n elements. 0 where n is negative, not a multiple of the block length, or too large.
    size_t (*bytes)(int64_t n);
    /// The whole tensor; nullptr for a format that is only read. See ql_encode.
    Status (*encode)(const float * src, int64_t n, void * dst);
    /// `count` elements from element `first` of a tensor of n; both are multiples of the block length. See ql_decode.
    void (*decode)(const void * src, int64_t n, int64_t first, int64_t count, float * dst);
    /// The same into doubles: the f32 values widened, but exact for i32, which f32 cannot hold.
    void (*decode_f64)(const void * src, int64_t n, int64_t first, int64_t count, double * dst);
    /// `encode` with scales by least squared error; nullptr for a format without search. See ql_encode_search.
    Status (*encode_search)(const float * src, int64_t n, const Importance & importance, void * dst);
};

/// The row of a type, nullptr for an id that is not known (ids come from files).
const DTypeDef * find_dtype(ql_dtype dtype);

/// True of a type whose codes and scales lie apart, in planes of the whole tensor.
bool is_planar(ql_dtype dtype);

/// Every row, in dtypes.def's order.
std::span<const DTypeDef> all_dtypes();

}  // namespace ql
