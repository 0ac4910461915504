// What ql-quantize and ql-convert share: a model written as a GGUF file of other types, and what became of its tensors.
#pragma once
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "ql/models.hpp"
#include "tools/cli/cost.hpp"
#include "tools/cli/program.hpp"
#include "tools/cli/progress.hpp"

namespace ql::cli {

class Rewrite {
  public:
    Rewrite(const std::string & name, const std::string & description, const std::string & examples)
        : program(name, description, examples) {}

    /// Options but for TYPE; call it behind those of the program itself.
    void add_options();
    /// Writes the model, and prints what became of it. `verb` names the work in its progress.
    int run(const char * verb);
    /// "q8_0 or ... or a mix of them ...": the types that may be asked for.
    static std::string type_names();

    Program program;
    std::string in, out, type;
    const char *in_option = "IN", *type_option = "TYPE";  // in messages

  private:
    /// Tensors of one kind ("attn_q") and one change of type, together.
    struct Group {
        int64_t n = 0;
        uint64_t bytes_from = 0, bytes_to = 0;
        double sum_squares = 0, worst = 0;  // of rel_rmse
        std::string note;
    };

    void choose_type(ql_quantize_options & options);
    void on_tensor(const ql_quantized_tensor & t);
    void name_files();
    void note_second_rounding() const;
    void print_result(const Cost & cost) const;
    void print_json(double ratio, const Cost & cost) const;

    int64_t threads_ = 0, split_ = 0, n_parts_ = 1, n_ = 0;
    std::string embeddings_ = "auto", text_, recipe_;
    bool search_ = false;
    std::vector<std::string> files_;
    std::map<std::tuple<std::string, std::string, std::string>, Group> groups_;
    uint64_t bytes_from_ = 0, bytes_to_ = 0;
    Progress * progress_ = nullptr;
};

}  // namespace ql::cli
