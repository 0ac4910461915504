// What a run is made of: device, model, adapter, datasets. What is read of them is said.
#pragma once
#include <string>
#include <vector>

#include "examples/finetune/options.hpp"
#include "ql/models.hpp"
#include "tools/cli/device_options.hpp"

namespace ql::cli {

class RunInputs {
  public:
    RunInputs(const Program & program, const DeviceOptions & device_options, const ModelOptions & model_options,
              const FinetuneOptions & options)
        : program_(program), device_options_(device_options), model_options_(model_options), o_(options) {}

    void open_device();
    void open_model();
    /// A new one, or that of --init-adapter.
    void make_adapter();
    /// After the adapter, which may have a chat template.
    void open_datasets();
    /// Looks at the batches that training begins with.
    void start_eva();
    /// For the adapter's file. The trainer checks the space of checkpoints itself.
    void check_space() const;

    DevicePtr device;
    ModelPtr model;
    AdapterPtr adapter;
    DatasetPtr data, eval;  // eval: null where there is none
    int64_t ctx = 0;

  private:
    DatasetPtr read_data(const char * what, const std::vector<std::string> & paths);
    void warn_of_missing_ends() const;
    void tell_date() const;

    const Program & program_;
    const DeviceOptions & device_options_;
    const ModelOptions & model_options_;
    const FinetuneOptions & o_;
    std::string template_;  // of --chat-template
};

}  // namespace ql::cli
