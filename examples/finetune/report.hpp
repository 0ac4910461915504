// What ql-finetune says on stdout: the plan, the summary, the JSON object.
#pragma once
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "ql/models.hpp"
#include "tools/cli/program.hpp"
#include "tools/cli/speed.hpp"

namespace ql::cli {

struct RunReport {
    ql_trainer_info plan{};
    ql_train_summary summary{};
    ql_device_info device{};
    std::string model, base_type, adapter, best, plot, resumed_from;  // paths are "" where there is no such file
    std::string checkpoint;                                           // the newest one that is left
    double eval_before = NAN, eval_after = NAN;
    int64_t ctx = 0;
    ExpectedStep expected;  // of a dry run
    bool ran = false, interrupted = false;
    double eval_best = NAN;    // the lowest loss of the evaluations behind a step
    bool has_no_gain = false;  // no evaluation was below the one before training
    bool has_spill = false;    // --spill is given
    bool is_plain = true;      // llama.cpp applies the adapter: no DoRA, no trained norms or rows of tokens
};

/// Names and values, as they are printed.
using ReportRows = std::vector<std::pair<std::string, std::string>>;
ReportRows plan_rows(const RunReport & report);
ReportRows summary_rows(const RunReport & report);

void print_plan(const RunReport & report);
/// Prints the figures, and the commands to go on with.
void print_summary(const RunReport & report);
Json report_json(const RunReport & report);

}  // namespace ql::cli
