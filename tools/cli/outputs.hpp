// Every file a program will write, checked before the long work: it can be written, it is none of the inputs and no file
// of one, no two outputs are the same, the disk has room.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace ql::cli {

class Outputs {
  public:
    /// `option` names the path in messages ("-m"). Empty paths are ignored.
    void input(const std::string & option, const std::string & path);
    void file(const std::string & option, const std::string & path);
    /// A folder that exists, or can be made.
    void folder(const std::string & option, const std::string & path);
    /// Throws Stop at the first thing wrong.
    void check() const;

  private:
    struct Entry {
        std::string option, path;
        bool folder = false;
    };
    std::vector<Entry> inputs_, outputs_;
};

/// Throws Stop if the file system of `path` has less than `bytes` free.
void check_free_space(const std::string & path, uint64_t bytes, const char * what);

}  // namespace ql::cli
