// ql-adapter info: what an adapter is, by kind of linear.
#include <cmath>
#include <map>

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
        zero += m.norm == 0;
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

void print_json(const Program & program, const std::string & path, const AdapterPtr & adapter,
                const std::vector<ql_adapter_matrix_info> & matrices) {
    const ql_adapter_info info = describe(adapter);
    Json list = Json::array();
    for (const ql_adapter_matrix_info & m : matrices)
        list.push_back({{"weight", m.weight},
                        {"k", m.k},
                        {"m", m.m},
                        {"r", m.r},
                        {"scale", m.scale},
                        {"norm", number_or_null(m.norm)}});
    program.print({{"file", path},
                   {"name", info.name},
                   {"architecture", info.architecture},
                   {"base", info.base_name},
                   {"kind", info.kind},
                   {"parameters", info.n_parameters},
                   {"chat_template", *ql_adapter_chat_template(adapter.get()) != '\0'},
                   {"chat_date", ql_adapter_chat_date(adapter.get())},
                   {"merge_type", info.merge_type},
                   {"matrices", list}});
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
    std::printf("norm: of scale x B x A, the change of a weight; root of the mean square over the layers\n");
}

}  // namespace

void print_info(const Program & program, const std::string & path, const AdapterPtr & adapter,
                const std::string & model) {
    const std::vector<ql_adapter_matrix_info> matrices = matrices_of(adapter);
    if (program.json) return print_json(program, path, adapter, matrices);
    const ql_adapter_info info = describe(adapter);
    const auto known = [](const char * text) { return *text ? text : "unknown"; };
    Table table;
    table.left({1});
    table.add({"adapter", summary(path, adapter)});
    table.add({"name", known(info.name)});
    table.add({"kind", info.kind});
    table.add({"base", std::string(known(info.base_name)) + ", architecture " + known(info.architecture)});
    table.add({"fits", model.empty() ? "unknown: give its model with -m" : model});
    table.add({"template", *ql_adapter_chat_template(adapter.get()) ? "of its training, kept with it" : "none"});
    if (*info.merge_type) table.add({"merge", std::string("trained for one into ") + info.merge_type});
    table.print(stdout);
    std::printf("\n");
    print_kinds(matrices);
}

}  // namespace ql::cli
