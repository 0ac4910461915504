// Small GGUF files made byte by byte, right or wrong on purpose: independent of the writer under test.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ql/gguf.h"

namespace ql::test {

struct Bytes {
    std::string data;

    template <typename T>
    Bytes & put(T value) {
        data.append(reinterpret_cast<const char *>(&value), sizeof value);
        return *this;
    }
    Bytes & raw(std::string_view text) {
        data.append(text);
        return *this;
    }
    Bytes & string(std::string_view text) { return put<uint64_t>(text.size()).raw(text); }
    Bytes & pad(size_t alignment) {
        while (data.size() % alignment) data.push_back('\0');
        return *this;
    }

    Bytes & header(uint32_t version, int64_t n_tensors, int64_t n_keys) {
        return raw("GGUF").put(version).put(n_tensors).put(n_keys);
    }
    template <typename T>
    Bytes & key(std::string_view name, int32_t type, T value) {
        return string(name).put(type).put(value);
    }
    Bytes & string_key(std::string_view name, std::string_view value) {
        return string(name).put<int32_t>(QL_GGUF_STRING).string(value);
    }
    Bytes & array_key(std::string_view name, int32_t element_type, uint64_t n) {
        return string(name).put<int32_t>(QL_GGUF_ARRAY).put(element_type).put(n);
    }
    Bytes & tensor(std::string_view name, std::vector<int64_t> dims, int32_t type, uint64_t offset) {
        string(name).put(static_cast<uint32_t>(dims.size()));
        for (const int64_t dim : dims) put(dim);
        return put(type).put(offset);
    }
};

}  // namespace ql::test
