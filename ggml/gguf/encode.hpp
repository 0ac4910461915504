// Values as bytes of a GGUF file.
#pragma once
#include <string>
#include <string_view>

#include "ggml/gguf/format.hpp"

namespace ql::gguf {

template <typename T>
void put(std::string * bytes, T value) {
    bytes->append(reinterpret_cast<const char *>(&value), sizeof value);
}

inline void put_string(std::string * bytes, std::string_view text) {
    put(bytes, static_cast<uint64_t>(text.size()));
    bytes->append(text);
}

inline std::string encode_type(int64_t type) {
    std::string bytes;
    put(&bytes, static_cast<int32_t>(type));
    return bytes;
}

template <typename T>
std::string encode_value(ql_gguf_type type, T value) {
    std::string bytes = encode_type(type);
    put(&bytes, value);
    return bytes;
}

/// The head of an array's value; its elements follow.
inline std::string encode_array(int64_t element_type, int64_t n) {
    std::string bytes = encode_type(QL_GGUF_ARRAY);
    put(&bytes, static_cast<int32_t>(element_type));
    put(&bytes, static_cast<uint64_t>(n));
    return bytes;
}

}  // namespace ql::gguf
