// --prompts: the prompts of a file, answered side by side; a line of JSON for each, in their order.
#pragma once
#include <string>
#include <vector>

#include "examples/chat/stop_texts.hpp"
#include "tools/cli/device_options.hpp"
#include "tools/cli/progress.hpp"

namespace ql::cli {

class PromptAnswers {
  public:
    /// Adds --prompts, --output and --columns.
    explicit PromptAnswers(Program & program);

    bool given() const { return !path_.empty(); }
    /// Before anything is opened: the options agree, and the output can be written.
    void check(const std::string & model_path) const;

    /// How the prompts are asked and answered; n_predict is 0 where answers end by themselves.
    struct Asking {
        const ModelPtr & model;
        const DevicePtr & device;
        const ModelOptions::Loras & loras;
        ql_prompt_options prompts;
        ql_answer_options answers;
        int64_t n_predict;
        const std::vector<std::string> & stops;
        bool dry_run;
    };
    int run(const Asking & asking);

  private:
    void read(const Asking & asking);
    int answer(const Asking & asking);
    ql_answer_options callbacks(const Asking & asking);
    bool take(const ql_answer & answer);
    bool take(int64_t prompt, const ql_generated & token);

    Program & program_;
    std::string path_, output_, columns_;
    std::vector<ql_prompt> prompts_;
    std::vector<const char *> texts_;  // of the prompts
    PromptListPtr list_;
    std::vector<std::string> shown_;  // of each answer, before its stop text
    std::vector<StopTexts> stops_;    // of each answer, where there are stop texts
    std::string lines_;               // for the output
    ql_inference_info plan_{};
    Progress * progress_ = nullptr;
    int64_t n_generated_ = 0;
    bool is_lost_ = false;  // what was written to standard output
};

}  // namespace ql::cli
