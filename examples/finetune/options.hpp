// The command line of ql-finetune, apart from what it does.
#pragma once
#include <string>

#include "tools/cli/chat_options.hpp"
#include "tools/cli/device_options.hpp"
#include "tools/cli/program.hpp"

namespace ql::cli {

struct FinetuneOptions {
    explicit FinetuneOptions(Program & program);
    /// Checks the options against each other; throws Stop. model: -m; has_spill: --spill is given.
    void check(const std::string & model, bool has_spill) const;
    /// The same for --export-from.
    void check_export(const std::string & model) const;
    /// Checks every file that the run will write; throws Stop. Paths below follow from -o.
    void check_outputs(const std::string & model) const;
    ql_train_options train_options() const;
    ql_dataset_options dataset_options(int64_t ctx) const;

    /// --batch; QL_BATCH_AUTO: to be chosen.
    int64_t batch() const;
    /// 0: to be chosen.
    double lr() const;
    double epochs() const;
    int64_t grad_accum() const;
    bool has_paged_optimizer() const;
    /// "": a dry run that names no output.
    std::string checkpoint_path() const {
        return !checkpoint_dir.empty() ? checkpoint_dir : output.empty() ? "" : output + ".ckpt";
    }
    std::string best_path() const;
    bool has_eval() const { return !eval_data.empty() || eval_split > 0; }
    bool writes() const { return !dry_run && show_data == 0; }

    std::vector<std::string> data, eval_data;
    std::string output, base_type = "auto", lora_type = "lora", embeddings = "auto", targets = "all", layers,
                        rank_pattern, alpha_pattern, lora_init = "default", init_adapter, schedule = "cosine",
                        optim = "adamw", batch_text = "1", lr_text = "auto", epochs_text = "auto",
                        grad_accum_text = "auto", export_from, columns;
    std::string train_on = "answers", long_policy = "cut", checkpoint_dir, resume, recompute = "auto", metrics, plot,
                board, merge_aware, merge_rounding = "auto", train_tokens, alora_invocation;
    ChatOptions chat;
    int64_t lora_r = 16, steps = 0, ctx = 0, early_stop = 0, eval_every = 0, save_every = 100, keep = 2;
    int64_t show_data = 0;
    double lora_alpha = 32, lora_dropout = 0, lora_plus_ratio = 1, neftune_alpha = 0, lr_floor = 0, decay = 0.2,
           warmup = 0.03, weight_decay = 0, clip = 1, eval_split = 0;
    bool search = false, rslora = false, train_norms = false, packing = true, shuffle = true, skip_bad_lines = false,
         dry_run = false, overwrite = false, force = false, keep_checkpoints = false;
    uint64_t seed = 42;

  private:
    void add_adapter(Program & p);
    void add_training(Program & p);
    void add_data(Program & p);
    void add_output(Program & p);
    const Program & program_;
};

}  // namespace ql::cli
