#include "examples/finetune/report.hpp"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "tools/cli/escape.hpp"
#include "tools/cli/table.hpp"
#include "tools/cli/units.hpp"

namespace ql::cli {
namespace {

/// Whether llama.cpp can open the model itself: a GGUF file without types of our own.
bool upstream_reads(const std::string & path) {
    GgufPtr file;
    if (ql_gguf_open(path.c_str(), out(file)) != QL_OK) return false;
    bool reads = true;
    ql_gguf_tensor t{};
    for (int64_t i = 0; i < ql_gguf_n_tensors(file.get()) && ql_gguf_tensor_at(file.get(), i, &t) == QL_OK; ++i)
        reads &= t.dtype < QL_NF4;
    return reads;
}

const char * bound_by(const ExpectedStep & step) {
    return step.by_disk() ? "the disk" : "the processor";
}

Json path_or_null(const std::string & path) {
    return path.empty() ? Json(nullptr) : Json(path);
}

/// More than twice the file where its micro-batches do not fit side by side.
std::string weights_read(const RunReport & r) {
    const std::string size = print_size(r.plan.read_bytes_per_step);
    if (r.plan.groups < 2) return size;
    return size + ", in " + print_count(r.plan.groups) + " groups of batches" +
           (r.has_spill ? "" : "; --spill DIR reads them for all at once");
}

}  // namespace

ReportRows plan_rows(const RunReport & r) {
    ReportRows rows;
    rows.push_back({"weights", print_size(r.plan.weight_bytes)});
    if (r.plan.page_bytes) rows.push_back({"room for what is read again", print_size(r.plan.page_bytes)});
    rows.push_back({"adapter, gradients, inputs", print_size(r.plan.leaf_bytes - r.plan.optimizer_bytes)});
    rows.push_back({"optimizer", print_size(r.plan.optimizer_bytes)});
    if (r.plan.optimizer_paged_bytes) rows.push_back({"optimizer on disk", print_size(r.plan.optimizer_paged_bytes)});
    if (r.plan.adapter_paged_bytes)
        rows.push_back({"adapter, gradients on disk", print_size(r.plan.adapter_paged_bytes)});
    rows.push_back({"activations and scratch", print_size(r.plan.arena_bytes)});
    rows.push_back({"program, tokenizer, data", print_size(r.plan.program_bytes)});
    rows.push_back({"planned peak", print_size(r.plan.planned_peak_bytes)});
    if (r.plan.read_bytes_per_step) rows.push_back({"weights read, a step", weights_read(r)});
    if (r.plan.spill_bytes) rows.push_back({"layers' inputs on disk", print_size(r.plan.spill_bytes)});
    if (r.plan.spill_bytes)
        rows.push_back({"of these written and read, a step",
                        print_size(r.plan.spill_written_bytes_per_step + r.plan.spill_read_bytes_per_step)});
    if (r.plan.lanes > 1) rows.push_back({"batches side by side", print_count(r.plan.lanes)});
    if (r.plan.recomputed_layers) rows.push_back({"layers computed again", print_count(r.plan.recomputed_layers)});
    rows.push_back({"trained parameters", print_count(r.plan.n_parameters)});
    rows.push_back({"sequences of " + print_count(r.ctx) + " tokens, an epoch", print_count(r.plan.n_sequences)});
    rows.push_back({"trained tokens, an epoch", print_count(r.plan.n_trained)});
    rows.push_back({"steps, an epoch", print_count(r.plan.steps_per_epoch)});
    rows.push_back({"steps", print_count(r.plan.n_steps)});
    rows.push_back({"GFLOP, a step", print_number(r.plan.flops_per_step / 1e9, 1)});
    rows.push_back({"expected, a step", print_duration(r.expected.seconds) + ", bound by " + bound_by(r.expected)});
    return rows;
}

ReportRows summary_rows(const RunReport & r) {
    const ql_train_summary & s = r.summary;
    const auto change = [](double from, double to) { return print_number(from, 4) + " -> " + print_number(to, 4); };
    ReportRows rows;
    const std::string before =
        r.plan.first_step > 0 ? ", after " + print_count(r.plan.first_step) + " earlier ones" : "";
    rows.push_back(
        {"steps", print_count(s.steps) + before + (s.skipped ? " (" + print_count(s.skipped) + " skipped)" : "")});
    rows.push_back({"tokens", print_count(s.tokens)});
    rows.push_back({"time", print_duration(s.seconds) + ", " + print_number(s.tok_s, 0) + " tok/s"});
    rows.push_back({"loss", change(s.loss_first, s.loss_last)});
    if (std::isfinite(r.eval_after))
        rows.push_back({"eval loss", std::isfinite(r.eval_before) ? change(r.eval_before, r.eval_after)
                                                                  : print_number(r.eval_after, 4)});
    rows.push_back(
        {"memory", print_size(ql_os_peak_rss()) + " (planned " + print_size(r.plan.planned_peak_bytes) + ")"});
    rows.push_back({"adapter", r.adapter});
    if (!r.best.empty())
        rows.push_back({"best by eval loss", r.best + " (" + print_number(r.eval_best, 4) +
                                                 (r.has_no_gain ? ", no better than before training)" : ")")});
    if (!r.plot.empty()) rows.push_back({"picture", r.plot});
    return rows;
}

void print_plan(const RunReport & r) {
    Table table;
    for (const auto & [name, value] : plan_rows(r)) table.add({name, value});
    table.print(stdout);
}

void print_summary(const RunReport & r) {
    Table table;
    table.left({1});
    for (const auto & [name, value] : summary_rows(r)) table.add({name, value});
    table.print(stdout);
    const bool best = !r.best.empty() && r.eval_best < r.eval_after;  // the last steps made it worse
    const std::string model = escape_line(shell_word(r.model)),
                      lora = escape_line(shell_word(best ? r.best : r.adapter));
    std::printf("\nTalk to it:    ql-chat -m %s --lora %s\n", model.c_str(), lora.c_str());
    if (!r.is_plain) {
        std::printf("For llama.cpp: ql-adapter merge -m %s --lora %s -o MERGED.gguf\n", model.c_str(), lora.c_str());
        return;
    }
    std::printf("In llama.cpp:  llama-cli -m %s --lora %s\n", upstream_reads(r.model) ? model.c_str() : "MODEL.gguf",
                lora.c_str());
}

Json report_json(const RunReport & r) {
    const ql_train_summary & s = r.summary;
    const auto figure = [&](double v) { return r.ran ? number_or_null(v) : Json(nullptr); };
    const auto expected = [&](double v) { return r.ran ? Json(nullptr) : number_or_null(v); };
    return {{"steps", s.steps},
            {"tokens", s.tokens},
            {"seconds", s.seconds},
            {"tok_s", figure(s.tok_s)},
            {"loss_first", figure(s.loss_first)},
            {"loss_last", figure(s.loss_last)},
            {"eval_before", number_or_null(r.eval_before)},
            {"eval_after", number_or_null(r.eval_after)},
            {"eval_best", number_or_null(r.eval_best)},
            {"best", path_or_null(r.best)},
            {"planned_peak_bytes", r.plan.planned_peak_bytes},
            {"peak_rss_bytes", ql_os_peak_rss()},
            {"adapter", path_or_null(r.adapter)},
            {"device", r.device.backend},
            {"isa", r.device.isa},
            {"base_type", r.base_type},
            {"resumed_from", path_or_null(r.resumed_from)},
            {"interrupted", r.interrupted},
            {"checkpoint", path_or_null(r.checkpoint)},
            {"grad_accum", r.plan.grad_accum},
            {"epochs", number_or_null(r.plan.epochs)},
            {"lr", number_or_null(r.plan.lr)},
            {"read_bytes_per_step", r.plan.read_bytes_per_step},
            {"batch_groups", r.plan.groups},
            {"batches_side_by_side", r.plan.lanes},
            {"recomputed_layers", r.plan.recomputed_layers},
            {"spill_bytes", r.plan.spill_bytes},
            {"spill_read_bytes_per_step", r.plan.spill_read_bytes_per_step},
            {"spill_written_bytes_per_step", r.plan.spill_written_bytes_per_step},
            {"expected_step_seconds", expected(r.expected.seconds)},
            {"expected_product_seconds", expected(r.expected.products)},
            {"expected_read_seconds", expected(r.expected.reading)},
            {"bound_by", r.ran ? Json(nullptr) : Json(r.expected.by_disk() ? "disk" : "processor")}};
}

}  // namespace ql::cli
