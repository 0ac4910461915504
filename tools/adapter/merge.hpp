// ql-adapter merge: adapters into their base, one file for whoever takes no adapters.
#pragma once
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tools/adapter/adapter_program.hpp"
#include "tools/cli/progress.hpp"

namespace ql::cli {

class MergeCommand {
  public:
    MergeCommand(Program & program, Command & command);
    /// `bases`: the command's -m.
    void run(Bases & bases, const std::string & output, int64_t threads);

  private:
    /// Merged weights of one kind ("attn_q") and one change of type.
    struct Kind {
        int64_t n = 0;
        double kept = 0, least = 1;
    };
    AdapterPtr open(const Bases & bases, const std::vector<ScaledPath> & loras) const;
    /// Sets exact_, and what an exact merge needs; refuses a merge that loses much without --force.
    void check_type(const Bases & bases, const AdapterPtr & adapter, ql_quantize_options & options, bool force);
    void on_tensor(const ql_quantized_tensor & t);
    void print(const std::string & output) const;
    void print_layers() const;

    Program & program_;
    std::vector<std::string> loras_;
    std::string type_ = "f16";
    bool few_bits_ = false, search_ = false;
    bool exact_ = false;  // the merged weights are those that were trained
    std::map<std::string, Kind> kinds_;
    std::map<std::string, std::map<std::string, double>> layers_;  // what each weight kept: by layer, by kind
    Json weights_ = Json::array();
    Progress * progress_ = nullptr;
};

}  // namespace ql::cli
