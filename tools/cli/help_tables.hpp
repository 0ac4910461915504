// A program's options as tables, and what is written from them besides --help: the man page, and completions for shells.
#pragma once
#include <string>
#include <vector>

namespace ql::cli {

struct OptionTable {
    std::vector<std::string> names;  // "-o", "--output"; of a positional one what --help calls it
    std::string takes;               // "FILE.gguf", "constant|linear"; "" for a flag
    std::string value, does;         // the default, "" for none; the help
    bool positional = false;
};
struct CommandTable {
    std::string name, does;
    std::vector<OptionTable> options;
    std::vector<CommandTable> commands;
};

/// Pages of man(1). examples: lines of a shell; environment: lines "NAME  meaning".
std::string man_page(const CommandTable & program, const std::string & version, const std::string & examples,
                     const std::string & environment);

/// The shells whose completions can be written.
inline constexpr const char * kShells = "bash, zsh, fish";
/// "" for a shell that is none of them.
std::string completion(const CommandTable & program, const std::string & shell);

}  // namespace ql::cli
