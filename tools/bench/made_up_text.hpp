// Text to train on where none is at hand, and the folder that it lies in for a while.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>

namespace ql::cli {

/// A new folder of its own; the destructor removes it with all that is in it.
class TemporaryFolder {
  public:
    TemporaryFolder();
    ~TemporaryFolder();
    TemporaryFolder(const TemporaryFolder &) = delete;
    TemporaryFolder & operator=(const TemporaryFolder &) = delete;
    std::string path(const std::string & file) const { return (folder_ / file).string(); }

  private:
    std::filesystem::path folder_;
};

/// A text file of common words in random order.
class MadeUpText {
  public:
    explicit MadeUpText(int64_t n_words);
    const std::string & path() const { return path_; }

  private:
    TemporaryFolder folder_;
    std::string path_ = folder_.path("text.txt");
};

}  // namespace ql::cli
