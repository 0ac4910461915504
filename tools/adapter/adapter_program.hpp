// What the commands of ql-adapter share.
#pragma once
#include <string>
#include <vector>

#include "tools/cli/device_options.hpp"
#include "tools/cli/outputs.hpp"
#include "tools/cli/scaled_path.hpp"

namespace ql::cli {

/// The option -m of commands that can do without it, and adapters opened for its model, or alone.
class Bases {
  public:
    /// force_help: of --force; null: no such option, and any base will do.
    Bases(Program & program, Command & command, bool required, const char * force_help)
        : program_(program), options_(program, false, &command, required), any_base_(!force_help) {
        if (force_help) command.flag("--force", any_base_, force_help);
    }

    /// Opens the model, where -m was given. To be called once.
    void open();
    AdapterPtr open_adapter(const std::string & path) const;
    /// The adapters, each times its scale, made into one. check sees each of them before.
    using Check = void(const std::string & path, const AdapterPtr & adapter);
    AdapterPtr compose(const std::vector<ScaledPath> & named, const ql_compose_options & options,
                       Check * check = nullptr) const;
    const std::string & path() const { return options_.path(); }
    /// Null where none was opened.
    const ModelPtr & model() const { return model_; }
    bool forced() const { return any_base_; }

  private:
    Program & program_;
    ModelOptions options_;
    ModelPtr model_;
    bool any_base_;
};

/// Adapters as FILE[:SCALE], which become inputs that no output may overwrite.
std::vector<ScaledPath> name_adapters(const std::string & option, const std::vector<std::string> & specs,
                                      Outputs & outputs);
ql_adapter_info describe(const AdapterPtr & adapter);
std::vector<ql_adapter_matrix_info> matrices_of(const AdapterPtr & adapter);
/// Whether the weight stays as it is, whatever the adapter's kind.
bool changes_nothing(const ql_adapter_matrix_info & matrix);
std::vector<ql_adapter_rows_info> rows_of(const AdapterPtr & adapter);
/// Whether the adapter's base is this model: "this file", "another quantisation", "another base", or "unknown" where the
/// adapter does not say.
std::string fit(const AdapterPtr & adapter, const ModelPtr & model);
/// What an adapter is, for a person or with --json.
void print_info(const Program & program, const std::string & path, const AdapterPtr & adapter, const Bases & bases);
/// Whether an adapter is sound, for its model and for the program `consumer` ("" or "llama.cpp"), by tensor.
/// What that program would not load is a Stop, after all has been printed.
void print_check(const Program & program, const std::string & path, const AdapterPtr & adapter, const Bases & bases,
                 const std::string & consumer);
/// "a.gguf: 210 linears, rank 16, 4,884,480 parameters"
std::string summary(const std::string & path, const AdapterPtr & adapter);

}  // namespace ql::cli
