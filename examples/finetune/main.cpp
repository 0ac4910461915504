// ql-finetune: trains a LoRA adapter on a quantised model, over the public API alone.
//
// Order: everything that can be wrong is checked first (options, outputs, model, data, plan), then the long work
// starts; the adapter is written at the very end, checkpoints keep what was learned until then.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "examples/finetune/live_page.hpp"
#include "examples/finetune/memory_plot.hpp"
#include "examples/finetune/options.hpp"
#include "examples/finetune/report.hpp"
#include "examples/finetune/run_inputs.hpp"
#include "examples/finetune/training.hpp"
#include "tools/cli/escape.hpp"
#include "tools/cli/signals.hpp"
#include "tools/cli/units.hpp"

namespace ql::cli {
namespace {

constexpr const char * kExamples =
    "  ql-finetune -m model.gguf -d chats.jsonl -o adapter.gguf\n"
    "  ql-finetune -m model.gguf -d chats.jsonl -o adapter.gguf --dry-run --plot memory.png\n"
    "  ql-finetune -m model.gguf -d chats.jsonl -o adapter.gguf --eval-split 0.05 --plot loss.png\n"
    "  ql-finetune -m model.gguf -d chats.jsonl -o adapter.gguf --eval-split 0.05 --board\n"
    "  ql-finetune -m model.gguf -d chats.jsonl -o adapter.gguf --resume auto\n"
    "  ql-finetune --export-from adapter.gguf.ckpt -o so-far.gguf\n"
    "  ql-finetune -m model.gguf -d chats.jsonl --show-data 3";

class Finetune {
  public:
    int main(int argc, char ** argv) {
        return program_.run(argc, argv, [this] { return shown_body(); });
    }

  private:
    /// What ends the run is on its page, too.
    int shown_body() {
        try {
            return body();
        } catch (const Stop & stop) {
            page_.end(stop);
            throw;
        } catch (const std::exception & e) {
            page_.fail(e.what());
            throw;
        }
    }

    int body() {
        if (!o_.export_from.empty()) return export_adapter();
        o_.check(model_options_.path(), device_options_.spill() != nullptr);
        if (o_.has_paged_optimizer()) device_options_.let_spill_alone();
        o_.check_outputs(model_options_.path());
        page_.open(model_options_.path());
        in_.open_device();
        try {
            return work();
        } catch (const Stop & stop) {
            if (program_.json && stop.code == kInterrupted && o_.show_data == 0) print(interrupted_report());
            throw;
        }
    }

    int work() {
        const StopAnswers answers("stopping as soon as what is being prepared is ready", "; again to quit at once",
                                  "ended before the training began", program_.quiet);
        say_header();
        page_.say_address();
        in_.open_model();
        check_interrupt();
        if (o_.show_data == 0 || !o_.init_adapter.empty()) in_.make_adapter();
        in_.open_datasets();
        check_interrupt();
        if (o_.show_data > 0) return show_data();
        if (o_.lora_init == "eva") in_.start_eva();
        if (!o_.output.empty()) in_.check_space();
        training_.plan();
        check_interrupt();
        if (!o_.dry_run) training_.run();
        if (o_.dry_run && !o_.plot.empty()) write_memory_plot(o_.plot, training_.trainer(), device_options_.memory());
        const RunReport report = training_.report(!o_.dry_run);
        print(report);
        page_.end(report);
        return kDone;
    }

    /// Of a run that goes on from its checkpoint, if it goes on.
    RunReport interrupted_report() const {
        RunReport report = training_.trainer() ? training_.report(true) : training_.report_of_inputs();
        report.ran = report.interrupted = true;
        report.adapter = "", report.plot = "";
        if (!std::isfinite(report.eval_best)) report.best = "";
        return report;
    }

    /// What is there to be said before the model is read, which may take a while.
    void say_header() {
        if (o_.show_data > 0 || !ql_os_is_terminal(2, nullptr)) return;
        program_.begin_work();  // somebody watches: lines come as they are known
        std::error_code ec;
        const auto bytes = std::filesystem::file_size(model_options_.path(), ec);
        program_.note(format("ql-finetune %s", ql_version()));
        program_.note(format("model    %s%s%s", model_options_.path().c_str(), ec ? "" : ", ",
                             ec ? "" : print_size(bytes).c_str()));
        program_.note(DeviceOptions::line(DeviceOptions::describe(in_.device)));
    }

    /// The adapter of the newest checkpoint, as the run would have saved it.
    int export_adapter() {
        o_.check_export(model_options_.path());
        if (!model_options_.path().empty()) in_.model = model_options_.open(nullptr);
        in_.adapter = open_adapter(program_, o_.export_from, in_.model, o_.force);
        check_run(ql_adapter_save(in_.adapter.get(), o_.output.c_str()));
        if (program_.json)
            program_.print({{"adapter", o_.output}});
        else
            std::printf("adapter  %s\n", escape_line(o_.output).c_str());
        return kDone;
    }

    int show_data() {
        auto info = sized<ql_dataset_info>();
        check_input(ql_dataset_describe(in_.data.get(), &info));
        Json samples = Json::array();
        for (int64_t i = 0; i < std::min(o_.show_data, info.n_samples); ++i) {
            const char * text = nullptr;
            check_input(ql_dataset_show(in_.data.get(), i, "[[", "]]", &text));
            if (program_.json)
                samples.push_back(text);
            else
                std::printf("--- sample %lld\n%s\n", static_cast<long long>(i + 1), escape_text(text).c_str());
        }
        if (program_.json) program_.print({{"samples", samples}});
        return kDone;
    }

    void print(const RunReport & report) const {
        if (program_.json)
            program_.print(report_json(report));
        else if (report.ran)
            print_summary(report);
        else
            print_plan(report);
    }

    Program program_{"ql-finetune", "Trains a LoRA adapter on the quantised weights of a language model.", kExamples};
    DeviceOptions device_options_{program_};
    ModelOptions model_options_{program_, false, nullptr, false};
    FinetuneOptions o_{program_};
    RunInputs in_{program_, device_options_, model_options_, o_};
    LivePage page_{program_, o_};
    Training training_{program_, device_options_, model_options_, o_, in_, page_};
};

}  // namespace
}  // namespace ql::cli

int main(int argc, char ** argv) {
    return ql::cli::Finetune().main(argc, argv);
}
