// The safetensors format: u64 header length, a JSON header of tensors, then their bytes. The reader maps the file and
// checks everything before it hands out a pointer, as the GGUF reader does; the writer is for adapters, which fit in
// memory.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ql/ql.hpp"

namespace ql {

struct SafeTensor {
    std::string name;
    std::string dtype;           // as in the file: "F32", "BF16", "U8" ...
    std::vector<int64_t> shape;  // as in the file: outermost first
    const void * data = nullptr;
    size_t bytes = 0;

    int64_t elements() const;
    std::string shape_text() const;  // "[576, 64]", outermost first
    /// The engine's type; an error for types that weights cannot have (integers, F64, float8 ...).
    Result<ql_dtype> weight_dtype() const;
};

class SafeTensorsFile {
  public:
    static Result<SafeTensorsFile> open(const std::string & path);

    const std::string & path() const { return path_; }
    const std::vector<SafeTensor> & tensors() const { return tensors_; }  // in the order of their bytes
    const SafeTensor * find(const std::string & name) const;              // null if there is none
    /// The texts of __metadata__; what is no text there is left out.
    const std::map<std::string, std::string> & metadata() const { return metadata_; }
    /// Hands the mapping over: the tensors' bytes then live as long as it does.
    FileMapPtr take_map() { return std::move(map_); }

  private:
    SafeTensorsFile() = default;
    std::string path_;
    FileMapPtr map_;
    std::vector<SafeTensor> tensors_;
    std::unordered_map<std::string, size_t> by_name_;
    std::map<std::string, std::string> metadata_;
};

/// The tensor's values as f32, whatever of F32, F16 and BF16 they are stored in and however they are aligned.
Result<std::vector<float>> read_f32(const SafeTensor & tensor);

/// One f32 tensor to write; the values are borrowed.
struct F32Tensor {
    std::string name;
    std::vector<int64_t> shape;  // outermost first
    const float * data = nullptr;
};

/// Writes a file of f32 tensors, in their order, safely (temporary, fsync, rename), with texts beside "format" in its
/// __metadata__.
Status write_safetensors(const std::string & path, const std::vector<F32Tensor> & tensors,
                         const std::map<std::string, std::string> & metadata = {});

}  // namespace ql
