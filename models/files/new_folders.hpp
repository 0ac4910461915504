// The folders of a path that are not there yet. Those that hold nothing in the end go again.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

namespace ql {

/// Declared before the folders are made; what is written into them stays, and so do they.
class NewFolders {
  public:
    explicit NewFolders(const std::string & directory) {
        namespace fs = std::filesystem;
        std::error_code ec;
        for (fs::path at = directory; !at.empty() && fs::status(at, ec).type() == fs::file_type::not_found;
             at = at.parent_path())
            paths_.push_back(at);
    }
    ~NewFolders() {
        std::error_code ec;  // of those that hold something
        for (const std::filesystem::path & path : paths_) std::filesystem::remove(path, ec);
    }
    NewFolders(const NewFolders &) = delete;
    NewFolders & operator=(const NewFolders &) = delete;

    /// Whether the innermost folder was there already.
    bool empty() const { return paths_.empty(); }

  private:
    std::vector<std::filesystem::path> paths_;  // the innermost first
};

}  // namespace ql
