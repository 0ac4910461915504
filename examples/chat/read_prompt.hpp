// A prompt from standard input: ql-chat -p -.
#pragma once
#include <string>

namespace ql::cli {

/// All of standard input as one text, without the end of its last line. Throws Stop: it cannot be read, or is too long.
std::string read_prompt();

}  // namespace ql::cli
