// The parts of parse(): keys, then tensors.
#pragma once
#include "ggml/gguf/cursor.hpp"
#include "ggml/gguf/reader.hpp"

namespace ql::gguf {

Status parse_keys(Cursor & cursor, int64_t count, Contents * contents);
/// Reads the tensors' descriptions and checks that the file holds their data. `bytes` is the whole file.
Status parse_tensors(Cursor & cursor, int64_t count, const uint8_t * bytes, size_t size, Contents * contents);

/// A key or tensor name: not empty, at most max_bytes, no NUL byte (the C API hands out NUL-terminated names).
Status parse_name(Cursor & cursor, const char * field, uint64_t max_bytes, std::string_view * name);

}  // namespace ql::gguf
