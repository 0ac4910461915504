#include "tools/cli/config_file.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <istream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

namespace ql::cli {
namespace {

constexpr size_t kMaxBytes = size_t{64} << 10;  // all options of a program fill a hundredth of it
constexpr ptrdiff_t kMaxDepth = 8;              // names in [a.b.c] and a.b.c = 1; ours have one

class LimitedToml : public CLI::ConfigTOML {
  public:
    std::vector<CLI::ConfigItem> from_config(std::istream & input) const override {
        std::string text(kMaxBytes + 1, '\0');
        input.read(text.data(), static_cast<std::streamsize>(text.size()));
        text.resize(static_cast<size_t>(input.gcount()));
        if (text.size() > kMaxBytes)
            throw CLI::ConfigError("--config: the file has more than " + std::to_string(kMaxBytes) +
                                   " bytes; is it an options file?");
        check_depth(text);
        std::istringstream limited(text);
        return CLI::ConfigTOML::from_config(limited);
    }

  private:
    static void check_depth(const std::string & text) {
        std::istringstream lines(text);
        int64_t number = 1;
        for (std::string line; std::getline(lines, line); ++number) {
            const size_t equals = line.find('='), first = line.find_first_not_of(" \t");
            const bool is_section = first != line.npos && line[first] == '[';
            if (equals == line.npos && !is_section) continue;  // a flag, or more of a list
            const size_t end = is_section ? line.size() : equals;
            if (std::count(line.begin(), line.begin() + static_cast<ptrdiff_t>(end), '.') >= kMaxDepth)
                throw CLI::ConfigError("--config: line " + std::to_string(number) + ": more than " +
                                       std::to_string(kMaxDepth) + " names in each other");
        }
    }
};

}  // namespace

std::shared_ptr<CLI::Config> limited_toml() {
    return std::make_shared<LimitedToml>();
}

}  // namespace ql::cli
