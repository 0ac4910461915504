// A model that is written in several files, as llama.cpp splits them: OUT-00001-of-00003.gguf has the keys and the first
// tensors, the others have the rest.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "models/quantize/convert_rows.hpp"
#include "ql/gguf.h"

namespace ql {

/// One of the files, and which tensors it holds.
struct OutputPart {
    std::string path;
    size_t first, end;
};

/// One file, or for most_bytes > 0 as many as keep each at most_bytes of tensors (one larger tensor is a part alone).
std::vector<OutputPart> output_parts(const std::string & out, std::span<const Conversion> tensors, uint64_t most_bytes);

/// The keys of part number i of n of a model of so many tensors.
Status set_part_keys(ql_gguf_writer * w, size_t i, size_t n, size_t n_tensors);

/// Files that appear together under their names, or not at all.
class PendingFiles {
  public:
    ~PendingFiles();
    /// Where to write what will be `path`.
    const std::string & add(const std::string & path);
    Status publish();

  private:
    struct File {
        std::string path, written;
    };
    std::vector<File> files_;
};

}  // namespace ql
