// The C++ GGUF reader: parse() checks a file's bytes and lists what is in them; File is an open file of one part or
// more.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ggml/core/os/os.hpp"
#include "ggml/gguf/format.hpp"

namespace ql::gguf {

struct Key {
    std::string name;
    ql_gguf_type type;
    std::string_view raw;           // the value's bytes as they are in the file, without the type
    ql_gguf_array array = {};       // of an array
    std::vector<uint64_t> strings;  // of an array of strings: where each starts in raw
};

struct Tensor {
    std::string name;
    ql_dtype dtype;
    int n_dims;
    int64_t ne[4];
    const uint8_t * data;
    size_t size;
};

using Index = std::unordered_map<std::string_view, size_t>;  // names are views into the file's bytes

/// What a file's bytes say. Views point into the bytes given to parse().
struct Contents {
    uint32_t version = 0;
    uint32_t alignment = kDefaultAlignment;
    std::vector<Key> keys;
    Index key_index;
    std::vector<Tensor> tensors;
    Index tensor_index;

    const Key * find_key(std::string_view name) const;
    const Tensor * find_tensor(std::string_view name) const;
};

/// Checks everything (the rejection list: each rule has a test in tests/gguf) and allocates in proportion to what it
/// has checked. `file` names the bytes in messages.
Result<Contents> parse(const uint8_t * data, size_t size, const std::string & file);

/// An integer of any type that fits i64, an F32 or F64, a string: QL_BAD_FILE where the key has another type.
Result<int64_t> get_int(const Key & key, const std::string & file);
Result<double> get_float(const Key & key, const std::string & file);
Result<bool> get_bool(const Key & key, const std::string & file);
Result<std::string_view> get_string(const Key & key, const std::string & file);
Result<ql_gguf_array> get_array(const Key & key, const std::string & file);
/// Element i of an array of strings; i must be in range.
std::string_view array_string(const Key & key, int64_t i);

/// An open file, all its parts' tensors in one list; the keys are the first part's.
struct File {
    std::string path;
    std::vector<os::MappedFile> parts;
    Contents contents;
};
Result<File> open_file(const std::string & path);

}  // namespace ql::gguf

struct ql_gguf {
    ql::gguf::File file;
};
