// ql-adapter info: what an adapter is, by kind of linear.
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "tools/adapter/adapter_program.hpp"
#include "tools/cli/table.hpp"
#include "tools/cli/units.hpp"
#include "tools/cli/weight_kind.hpp"

namespace ql::cli {
namespace {

/// Branches of one kind of linear ("attn_q") together.
struct Kind {
    int64_t n = 0, zero = 0;
    int64_t r_min = INT64_MAX, r_max = 0;
    double scale_min = INFINITY, scale_max = -INFINITY;
    double squares = 0, largest = 0;

    void add(const ql_adapter_matrix_info & m) {
        ++n;
        zero += changes_nothing(m);
        r_min = std::min(r_min, m.r), r_max = std::max(r_max, m.r);
        scale_min = std::min(scale_min, m.scale), scale_max = std::max(scale_max, m.scale);
        squares += m.norm * m.norm;
        largest = std::max(largest, m.norm);
    }
    double mean() const { return std::sqrt(squares / static_cast<double>(n)); }
};

std::string range(const std::string & low, const std::string & high) {
    return low == high ? low : low + " to " + high;
}

std::vector<ql_adapter_run_info> runs_of(const AdapterPtr & adapter) {
    std::vector<ql_adapter_run_info> runs(static_cast<size_t>(describe(adapter).n_runs), sized<ql_adapter_run_info>());
    for (size_t i = 0; i < runs.size(); ++i)
        check_run(ql_adapter_run(adapter.get(), static_cast<int64_t>(i), &runs[i]));
    return runs;
}

Json json_of(const ql_adapter_run_info & run) {
    return {{"data", run.data},
            {"options", run.options},
            {"library", run.library},
            {"steps", run.steps},
            {"tokens", run.tokens},
            {"loss_first", number_or_null(run.loss_first)},
            {"loss_last", number_or_null(run.loss_last)},
            {"eval_best", number_or_null(run.eval_best)}};
}

Json json_of_rows(const AdapterPtr & adapter) {
    Json list = Json::array();
    for (const ql_adapter_rows_info & rows : rows_of(adapter))
        list.push_back({{"weight", rows.weight}, {"tokens", std::vector<int32_t>(rows.ids, rows.ids + rows.n_rows)}});
    return list;
}

void print_json(const Program & program, const std::string & path, const AdapterPtr & adapter,
                const std::vector<ql_adapter_matrix_info> & matrices, const std::string & fits) {
    const ql_adapter_info info = describe(adapter);
    Json list = Json::array(), runs = Json::array();
    for (const ql_adapter_matrix_info & m : matrices)
        list.push_back({{"weight", m.weight},
                        {"k", m.k},
                        {"m", m.m},
                        {"r", m.r},
                        {"scale", m.scale},
                        {"norm", number_or_null(m.norm)}});
    for (const ql_adapter_run_info & run : runs_of(adapter)) runs.push_back(json_of(run));
    program.print({{"file", path},
                   {"name", info.name},
                   {"architecture", info.architecture},
                   {"base", info.base_name},
                   {"kind", info.kind},
                   {"base_identity", info.base_identity},
                   {"base_file_hash", info.base_file_hash},
                   {"base_type", info.base_type},
                   {"fits", fits},
                   {"parameters", info.n_parameters},
                   {"options", info.options},
                   {"seed", info.seed},
                   {"composed", info.composed},
                   {"other_base", info.other_base},
                   {"runs", runs},
                   {"chat_template", *ql_adapter_chat_template(adapter.get()) != '\0'},
                   {"chat_date", ql_adapter_chat_date(adapter.get())},
                   {"chat_template_kwargs", ql_adapter_chat_template_kwargs(adapter.get())},
                   {"merge_type", info.merge_type},
                   {"merge_rounding", info.merge_rounding},
                   {"norms", info.n_norms},
                   {"rows", json_of_rows(adapter)},
                   {"invocation", std::vector<int32_t>(info.invocation, info.invocation + info.n_invocation)},
                   {"matrices", list}});
}

/// "12 steps, 3,456 tokens, loss 2.5100 -> 1.9000, best eval 1.9500, on data 0123456789abcdef, by 0.1.0"
std::string text_of(const ql_adapter_run_info & run) {
    std::string text = print_count(run.steps) + (run.steps == 1 ? " step, " : " steps, ") + print_count(run.tokens) +
                       " tokens, loss " + print_number(run.loss_first, 4) + " -> " + print_number(run.loss_last, 4);
    if (std::isfinite(run.eval_best)) text += ", best eval " + print_number(run.eval_best, 4);
    if (*run.data) text += std::string(", on data ") + run.data;
    return text + (*run.library ? std::string(", by ") + run.library : "");
}

void add_origin(const AdapterPtr & adapter, Table & table) {
    const ql_adapter_info info = describe(adapter);
    if (*info.base_identity)
        table.add({"identity", std::string(info.base_identity) + " (file " +
                                   (*info.base_file_hash ? info.base_file_hash : "unknown") + ", trained over " +
                                   (*info.base_type ? info.base_type : "several types") + ")"});
    if (*info.options) table.add({"made", std::string(info.options) + ", seed " + info.seed});
    if (const char * kwargs = ql_adapter_chat_template_kwargs(adapter.get()); *kwargs)
        table.add({"template was told", kwargs});
    if (*info.composed) table.add({"composed", info.composed});
    if (*info.other_base) table.add({"other base", info.other_base});
    for (const ql_adapter_run_info & run : runs_of(adapter)) {
        table.add({"trained", text_of(run)});
        table.add({"", run.options});
    }
}

/// "blk.12.attn_q.weight" -> 12; -1 for a weight outside the layers.
int64_t layer_of(const std::string & weight) {
    return weight.starts_with("blk.") ? std::atoll(weight.c_str() + 4) : -1;
}

/// "5, 17, 300"
std::string tokens_text(const int32_t * ids, int64_t n) {
    constexpr int64_t kMost = 16;
    std::string text;
    for (int64_t i = 0; i < std::min(kMost, n); ++i) text += (i ? ", " : "") + std::to_string(ids[i]);
    return n > kMost ? text + ", ..." : text;
}

/// "3 tokens: 5, 17, 300"
std::string print_tokens(const ql_adapter_rows_info & rows) {
    return print_count(rows.n_rows) + (rows.n_rows == 1 ? " token: " : " tokens: ") +
           tokens_text(rows.ids, rows.n_rows);
}

void print_layers(const std::vector<ql_adapter_matrix_info> & matrices) {
    std::map<int64_t, Kind> layers;
    for (const ql_adapter_matrix_info & m : matrices) layers[layer_of(m.weight)].add(m);
    Table table({"layer", "n", "norm", "largest"});
    for (const auto & [layer, k] : layers)
        table.add({layer < 0 ? "others" : print_count(layer), print_count(k.n), format("%.4g", k.mean()),
                   format("%.4g", k.largest)});
    table.print(stdout);
}

void print_kinds(const std::vector<ql_adapter_matrix_info> & matrices) {
    std::map<std::string, Kind> kinds;
    for (const ql_adapter_matrix_info & m : matrices) kinds[kind_of(m.weight)].add(m);
    Table table({"linears", "n", "rank", "scale", "norm", "largest", "zero"});
    for (const auto & [name, k] : kinds)
        table.add({name, print_count(k.n), range(print_count(k.r_min), print_count(k.r_max)),
                   range(format("%.4g", k.scale_min), format("%.4g", k.scale_max)), format("%.4g", k.mean()),
                   format("%.4g", k.largest), k.zero ? print_count(k.zero) : ""});
    table.print(stdout);
}

}  // namespace

void print_info(const Program & program, const std::string & path, const AdapterPtr & adapter, const Bases & bases) {
    const std::vector<ql_adapter_matrix_info> matrices = matrices_of(adapter);
    const std::string fits = bases.path().empty() ? "unknown" : fit(adapter, bases.model());
    if (program.json) return print_json(program, path, adapter, matrices, fits);
    const ql_adapter_info info = describe(adapter);
    const auto known = [](const char * text) { return *text ? text : "unknown"; };
    Table table;
    table.left({1});
    table.add({"adapter", summary(path, adapter)});
    table.add({"name", known(info.name)});
    table.add({"kind", info.kind});
    table.add({"base", std::string(known(info.base_name)) + ", architecture " + known(info.architecture)});
    add_origin(adapter, table);
    table.add({"fits", bases.path().empty() ? "unknown: give its model with -m"
                       : fits == "unknown"  ? bases.path() + ", by its shapes; the adapter does not say its base"
                                            : bases.path() + ": " + fits});
    table.add({"template", *ql_adapter_chat_template(adapter.get()) ? "of its training, kept with it" : "none"});
    if (info.n_norms) table.add({"norms", print_count(info.n_norms) + ", whole, in place of the base's"});
    for (const ql_adapter_rows_info & rows : rows_of(adapter))
        table.add({"rows", std::string(rows.weight) + ", of " + print_tokens(rows)});
    if (info.n_invocation)
        table.add({"invocation", "acts from the last " + tokens_text(info.invocation, info.n_invocation) + " on"});
    if (*info.merge_type)
        table.add({"merge", std::string("trained for one into ") + info.merge_type +
                                (*info.merge_rounding ? std::string(", ") + info.merge_rounding : "")});
    table.print(stdout);
    std::printf("\n");
    print_kinds(matrices);
    std::printf("\n");
    print_layers(matrices);
    std::printf("norm: of scale x B x A, %s; root of the mean square over layers, or over linears\n",
                std::string_view(info.kind) == "dora" ? "which is not all that a DoRA changes of a weight"
                                                      : "the change of a weight");
}

}  // namespace ql::cli
