// The GGUF container, as the reader and the writer both see it.
//
//   magic "GGUF" | u32 version | i64 n_tensors | i64 n_keys
//   n_keys times:    string key | i32 type | value               string = u64 length, bytes
//                    an array's value = i32 element type | u64 n | n packed elements
//   n_tensors times: string name | u32 n_dims | i64 dims[n_dims] | i32 type | u64 offset from the start of the data
//   padding | data: each tensor's bytes, padded                  padded = to a multiple of general.alignment
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "ql/gguf.h"

namespace ql::gguf {

constexpr char kMagic[] = {'G', 'G', 'U', 'F'};
constexpr uint32_t kVersion = 3;              // 2 differs in nothing that is read here
constexpr uint32_t kDefaultAlignment = 32;    // the format's
constexpr uint32_t kPlanarAlignment = 64;     // of the planes of the NF4 family: one cache line
constexpr uint64_t kMaxKeyBytes = 65535;      // the format's
constexpr uint64_t kMaxTensorNameBytes = 63;  // upstream keeps names in char[64]
constexpr int kMaxDims = 4;
/// Above this many elements a tensor's bytes could overflow for some type; no element of any type takes 8 bytes.
constexpr uint64_t kMaxElements = static_cast<uint64_t>(INT64_MAX) / 8;
constexpr const char * kAlignmentKey = "general.alignment";

/// Bytes of a value, 0 for strings, arrays and numbers that are no type.
constexpr size_t value_bytes(int64_t type) {
    switch (type) {
        case QL_GGUF_U8:
        case QL_GGUF_I8:
        case QL_GGUF_BOOL:
            return 1;
        case QL_GGUF_U16:
        case QL_GGUF_I16:
            return 2;
        case QL_GGUF_U32:
        case QL_GGUF_I32:
        case QL_GGUF_F32:
            return 4;
        case QL_GGUF_U64:
        case QL_GGUF_I64:
        case QL_GGUF_F64:
            return 8;
        default:
            return 0;
    }
}

/// n rounded up to a multiple of a power of two; false if that wraps round.
constexpr bool pad(uint64_t n, uint64_t alignment, uint64_t * padded) {
    *padded = (n + alignment - 1) & ~(alignment - 1);
    return *padded >= n;
}

/// "string", "u32" ...; "unknown type" for numbers that are no type.
const char * type_name(int64_t type);
/// What upstream calls the type of a tensor that this library cannot use, or nullptr for ids that no file may have.
const char * upstream_dtype_name(int64_t id);

}  // namespace ql::gguf
