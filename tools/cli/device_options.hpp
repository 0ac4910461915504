// The options that choose a device and a model, and opening what they name.
#pragma once
#include <string>
#include <vector>

#include "ql/models.hpp"
#include "tools/cli/budget.hpp"
#include "tools/cli/program.hpp"

namespace ql::cli {

/// -t, --device, --compute; --memory and --spill in programs that take a budget.
class DeviceOptions {
  public:
    explicit DeviceOptions(Program & program, bool with_budget = true);
    /// --memory in bytes; 0: none.
    uint64_t memory() const { return budget_ && budget_->count() > 0 ? parse_budget(memory_) : 0; }
    /// --spill; null: not given.
    const char * spill() const { return spill_.empty() ? nullptr : spill_.c_str(); }
    /// --spill has a use without --memory, too: a paged optimizer's.
    void let_spill_alone() { needs_memory_ = false; }
    DevicePtr open() const { return open_as(compute_); }
    /// With --compute as if it were this.
    DevicePtr open_as(const std::string & compute) const;
    /// What the device is, for -v and --json.
    static ql_device_info describe(const DevicePtr & device);
    /// Whether its products with frozen weights are of integers.
    static bool multiplies_integers(const ql_device_info & info);
    /// The device in a line.
    static std::string line(const ql_device_info & info);
    /// The type of a session's keys and values: f16, but f32 where --compute f32 asks for exactness.
    ql_dtype cache_type() const { return compute_ == "f32" ? QL_F32 : QL_F16; }

  private:
    void check_budget() const;

    const Program & program_;
    int64_t threads_ = 0;
    bool needs_memory_ = true;         // --spill does
    const Option * budget_ = nullptr;  // --memory, where the program takes it
    std::string device_ = "auto", compute_ = "auto", memory_, spill_;
};

/// -m; --lora FILE[:SCALE] and --base-type, in programs that take adapters.
class ModelOptions {
  public:
    ModelOptions(Program & program, bool with_lora, Command * to = nullptr, bool required = true);
    const std::string & path() const { return path_; }
    /// Opens the model as `options` says (NULL: everything as in the file); notes go to the program's.
    ModelPtr open(const ql_model_options * options = nullptr) const;
    /// Opens it as --base-type says; what has to be copied lies on disk where there is a budget and a --spill.
    ModelPtr open(const DeviceOptions & device) const;
    static ql_model_info describe(const ModelPtr & model);

    struct Loras {
        std::vector<AdapterPtr> owners;
        std::vector<const ql_adapter *> adapters;
        std::vector<float> scales;
        std::vector<std::string> paths;
        int n() const { return static_cast<int>(adapters.size()); }
        /// The chat template that the last of them was trained with; "" if none has one, or if it is the model's.
        std::string chat_template(const ModelPtr & model) const;
        /// The date that the last of them was trained with, "" if none says one.
        std::string chat_date() const;
        /// The values by name that it was given then (--chat-template-kwargs).
        std::string chat_kwargs() const;
        const ql_adapter * renderer() const;
    };
    Loras open_loras(const ModelPtr & model) const;

  private:
    const Program & program_;
    std::string path_, base_type_ = "keep";
    std::vector<std::string> loras_;
    bool any_base_ = false;
};

/// Opens an adapter for the model (null: alone); notes go to the program's. any_base: one trained on another base too.
AdapterPtr open_adapter(const Program & program, const std::string & path, const ModelPtr & model, bool any_base);
void say_notes(const Program & program, const AdapterPtr & adapter);

/// What a session is opened with, besides its model.
struct SessionSettings {
    int64_t ctx = 0;  // tokens of its cache
    ql_dtype cache_type = QL_F16;
    uint64_t memory = 0;  // --memory
};
/// Opens what reads and generates.
SessionPtr open_session(const ModelPtr & model, const DevicePtr & device, const ModelOptions::Loras & loras,
                        const SessionSettings & settings);

/// "auto" and "keep" where allowed, or the name of a type that can be written.
int64_t parse_base_type(const std::string & option, const std::string & name, bool auto_and_keep);

}  // namespace ql::cli
