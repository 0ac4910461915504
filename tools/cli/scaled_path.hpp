// A file with a number behind a colon: "a.gguf:0.5".
#pragma once
#include <string>

namespace ql::cli {

struct ScaledPath {
    std::string path;
    float scale = 1.0f;
};

/// If all of `spec` names a file, that is the file. `option` names the number in messages ("--lora").
ScaledPath parse_scaled_path(const std::string & option, const std::string & spec);

}  // namespace ql::cli
