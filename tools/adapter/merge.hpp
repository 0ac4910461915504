// ql-adapter merge: adapters into their base, one file for whoever takes no adapters.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "tools/adapter/adapter_program.hpp"
#include "tools/cli/progress.hpp"

namespace ql::cli {

class MergeCommand {
  public:
    MergeCommand(Program & program, CLI::App * app);
    /// `bases`: the command's -m.
    void run(Bases & bases, const std::string & output, bool force);

  private:
    /// Merged weights of one kind ("attn_q") and one change of type.
    struct Kind {
        int64_t n = 0;
        double kept = 0, least = 1;
    };
    ql_dtype choose_type(bool force) const;
    void on_tensor(const ql_quantized_tensor & t);
    void print(const std::string & output) const;

    Program & program_;
    std::vector<std::string> loras_;
    std::string type_ = "f16";
    std::map<std::string, Kind> kinds_;
    Progress * progress_ = nullptr;
};

}  // namespace ql::cli
