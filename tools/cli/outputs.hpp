// Every file a program will write, checked before the long work: it can be written, it is none of the inputs and no file
// of one, it takes the place of nothing that is of another kind, no two outputs are the same, the disk has room.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace ql::cli {

/// What an output is. A model and an adapter take the place of their own kind alone; anything else of no GGUF file.
enum class OutputKind { model, adapter, other };

class Outputs {
  public:
    /// `option` names the path in messages ("-m"). Empty paths are ignored.
    void input(const std::string & option, const std::string & path);
    void file(const std::string & option, const std::string & path, OutputKind kind);
    /// A folder that exists, or can be made.
    void folder(const std::string & option, const std::string & path);
    /// Throws Stop at the first thing wrong.
    void check() const;

  private:
    struct Entry {
        std::string option, path;
        bool folder = false;
        OutputKind kind = OutputKind::other;
    };
    std::vector<Entry> inputs_, outputs_;
};

/// Throws Stop if the file system of `path` has less than `bytes` free.
void check_free_space(const std::string & path, uint64_t bytes, const char * what);

}  // namespace ql::cli
