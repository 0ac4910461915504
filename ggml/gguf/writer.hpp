// The C++ GGUF writer: keys and tensors are collected, checked against the rules that the reader will apply, and
// written in one pass. What a tensor holds is borrowed or produced while writing, so a model of any size takes little
// memory.
#pragma once
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "ggml/core/os/os.hpp"
#include "ggml/gguf/reader.hpp"

namespace ql::gguf {

class Writer {
  public:
    // Setting a key again replaces its value, in place. general.alignment is the writer's own: it is refused.
    Status set_int(std::string_view key, int64_t type, int64_t value);
    Status set_f32(std::string_view key, float value);
    Status set_f64(std::string_view key, double value);
    Status set_bool(std::string_view key, bool value);
    Status set_string(std::string_view key, std::string_view value);
    Status set_array(std::string_view key, int64_t type, const void * data, int64_t n);
    Status set_strings(std::string_view key, const ql_gguf_string * data, int64_t n);
    void unset(std::string_view key);
    /// Copies every key but those that describe the other file and not its model: general.alignment and split.*.
    Status copy_keys(const Contents & contents);

    /// Adds a tensor; `data` or, where that is NULL, `produce` gives its bytes.
    Status add_tensor(std::string_view name, ql_dtype dtype, int n_dims, const int64_t * ne, const void * data,
                      ql_gguf_produce produce, void * user);

    uint64_t size() const;
    Status write(const std::string & path) const;

  private:
    struct Value {
        std::string key, bytes;  // the type and the value as they are in the file
    };
    struct Source {
        std::string name;
        ql_dtype dtype;
        int n_dims;
        int64_t ne[4];
        uint64_t size;
        const void * data;
        ql_gguf_produce produce;
        void * user;
    };

    Status set(std::string_view key, std::string bytes);
    uint32_t alignment() const;
    std::string head() const;
    Status write_produced(os::SafeFile & file, const Source & tensor, std::string & buffer) const;

    std::vector<Value> values_;
    std::unordered_map<std::string, size_t> value_index_;
    std::vector<Source> tensors_;
    uint64_t data_size_ = 0;  // of all tensors with padding, at most
    std::unordered_set<std::string> tensor_names_;
};

}  // namespace ql::gguf
