// A folder with everything the programs take: models, data, an adapter, and broken ones of each.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "programs/process.hpp"
#include "support/temporary_folder.hpp"

namespace ql::test {

class Workspace {
  public:
    /// with_adapter: also trains an adapter, for one step.
    explicit Workspace(bool with_adapter = false);

    std::string path(const std::string & name) const { return folder_.path(name); }
    std::string write(const std::string & name, std::string_view data) const { return folder_.write(name, data); }
    /// Words like "{model.gguf}" become paths in this folder.
    std::vector<std::string> arguments(const std::string & line) const;
    /// Each file's name and a digest of its content, to see whether anything changed.
    std::map<std::string, size_t> content() const;

    ProcessResult run(const std::string & program, const std::string & line,
                      const ProcessOptions & options = {}) const {
        return run_program(program, arguments(line), options);
    }

  private:
    TemporaryFolder folder_;
};

}  // namespace ql::test
