// The files of a Hugging Face model directory, opened and checked by themselves: config.json and its safetensors files.
#pragma once
#include <string>
#include <vector>

#include "models/files/safetensors.hpp"
#include "models/load/read_hf_config.hpp"

namespace ql {

struct HfDirectory {
    std::string name;  // the directory's own
    HfModel model;
    std::vector<SafeTensorsFile> files;

    /// errors  QL_NOT_FOUND, QL_IO; QL_BAD_FILE, QL_UNSUPPORTED: config.json, the index, or a file's header
    static Result<HfDirectory> open(const std::string & path);
};

/// Whether the directory holds a tokenizer.
bool has_hf_tokenizer(const std::string & directory);

}  // namespace ql
