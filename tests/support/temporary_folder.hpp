// A folder for a test's files, and reading them back.
#pragma once
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

namespace ql::test {

/// A folder of the test's own, removed when the object is destroyed.
class TemporaryFolder {
  public:
    TemporaryFolder() {
        std::string name = (std::filesystem::temp_directory_path() / "ql-test-XXXXXX").string();
        path_ = ::mkdtemp(name.data()) ? name : "";
    }
    ~TemporaryFolder() {
        std::error_code ignored;
        if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
    }
    std::string path(const std::string & name) const { return path_ + "/" + name; }
    std::string write(const std::string & name, std::string_view data) const {
        std::ofstream(path(name), std::ios::binary).write(data.data(), static_cast<std::streamsize>(data.size()));
        return path(name);
    }
    std::vector<std::string> names() const {
        std::vector<std::string> found;
        for (const auto & entry : std::filesystem::directory_iterator(path_)) found.push_back(entry.path().filename());
        return found;
    }

  private:
    std::string path_;
};

inline std::string read_all(const std::string & path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace ql::test
