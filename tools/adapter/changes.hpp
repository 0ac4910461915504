// What a command did to the changes of the weights, by kind of linear: for a person, or with --json weight by weight.
#pragma once
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tools/adapter/adapter_program.hpp"
#include "tools/cli/progress.hpp"

namespace ql::cli {

class Changes {
  public:
    Changes(const Program & program, const char * word) : progress_(word, program.quiet || program.verbose) {}

    /// Sets on_change and user of a command's options.
    template <typename Options>
    void listen(Options & options) {
        options.user = this;
        options.on_change = [](void * self, const ql_adapter_change * change) {
            static_cast<Changes *>(self)->add(*change);
            return g_interrupt != 0 ? 1 : 0;
        };
    }
    /// The table, and what is not in the adapter; with --json one object.
    void print(const Program & program, const std::string & output, const AdapterPtr & adapter);

  private:
    /// Linears of one kind, or all.
    struct Kind {
        int64_t n = 0, branches = 0;
        int64_t from_min = INT64_MAX, from_max = 0, r_min = INT64_MAX, r_max = 0;
        double squares = 0, lost = 0;

        void add(const ql_adapter_change & change);
        double left() const;
        std::string ranks() const;
    };
    void add(const ql_adapter_change & change);

    Progress progress_;
    std::map<std::string, Kind> kinds_;
    Kind all_;
    std::vector<std::string> others_;  // what is not in the adapter, and why
    Json weights_ = Json::array();
};

}  // namespace ql::cli
