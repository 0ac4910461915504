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
    Bases(Program & program, CLI::App * command, bool required)
        : program_(program), options_(program, false, command, required) {}

    /// Opens the model, where -m was given. To be called once.
    void open();
    AdapterPtr open_adapter(const std::string & path) const;
    /// The adapters, each times its scale, made into one.
    AdapterPtr compose(const std::vector<ScaledPath> & named, const ql_compose_options & options) const;
    const std::string & path() const { return options_.path(); }
    /// Null where none was opened.
    const ql_model * model() const { return model_.get(); }

  private:
    Program & program_;
    ModelOptions options_;
    ModelPtr model_;
};

/// Adapters as FILE[:SCALE], which become inputs that no output may overwrite.
std::vector<ScaledPath> name_adapters(const std::string & option, const std::vector<std::string> & specs,
                                      Outputs & outputs);
ql_adapter_info describe(const AdapterPtr & adapter);
std::vector<ql_adapter_matrix_info> matrices_of(const AdapterPtr & adapter);
/// Linears that an adapter leaves as they are.
std::vector<std::string> unchanged(const std::vector<ql_adapter_matrix_info> & matrices);

/// What an adapter is, for a person or with --json. `model`: its base, "" if it was opened alone.
void print_info(const Program & program, const std::string & path, const AdapterPtr & adapter,
                const std::string & model);
/// "a.gguf: 210 linears, rank 16, 4,884,480 parameters"
std::string summary(const std::string & path, const AdapterPtr & adapter);

}  // namespace ql::cli
