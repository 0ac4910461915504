// Which files of this library's architectures llama.cpp refuses, though these programs read them: a tensor too many, or one
// too few.                                                                             (llama.cpp src/models/*.cpp, load_arch_tensors)
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace ql {

/// A note for each reason, of a model with tensors of these GGUF names; none: it opens the file.
std::vector<std::string> llama_cpp_notes(std::string_view arch, const std::vector<std::string> & tensors);

}  // namespace ql
