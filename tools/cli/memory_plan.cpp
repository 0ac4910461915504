#include "tools/cli/memory_plan.hpp"

#include <nlohmann/json.hpp>

#include "ql/os.h"
#include "tools/cli/table.hpp"
#include "tools/cli/units.hpp"

namespace ql::cli {

void add_dry_run(Program & program, bool & value) {
    program.flag("--dry-run", value, "Prints the plan: memory by kind, and what is read; runs nothing");
}

void print_memory(const Program & program, const ql_inference_info & info) {
    if (program.json)
        return program.print({{"planned_peak_bytes", info.planned_peak_bytes},
                              {"peak_rss_bytes", ql_os_peak_rss()},
                              {"weight_bytes", info.weight_bytes},
                              {"page_bytes", info.page_bytes},
                              {"adapter_bytes", info.adapter_bytes},
                              {"cache_bytes", info.cache_bytes},
                              {"activation_bytes", info.activation_bytes},
                              {"workspace_bytes", info.workspace_bytes},
                              {"input_bytes", info.input_bytes},
                              {"program_bytes", info.program_bytes},
                              {"read_bytes_per_pass", info.read_bytes_per_pass},
                              {"lanes", info.lanes},
                              {"pass_tokens", info.pass_tokens},
                              {"sequences", info.sequences}});
    Table table;
    table.add({"weights", print_size(info.weight_bytes)});
    if (info.page_bytes) table.add({"room for weights that are read again", print_size(info.page_bytes)});
    if (info.adapter_bytes) table.add({"adapters", print_size(info.adapter_bytes)});
    if (info.cache_bytes) table.add({"keys and values", print_size(info.cache_bytes)});
    table.add({"activations and scratch", print_size(info.activation_bytes)});
    table.add({"  of it scratch", print_size(info.workspace_bytes)});
    table.add({"inputs", print_size(info.input_bytes)});
    table.add({"program, tokenizer, text", print_size(info.program_bytes)});
    table.add({"planned peak", print_size(info.planned_peak_bytes)});
    table.add({"weights read, a pass", print_size(info.read_bytes_per_pass)});
    table.add({"tokens of a pass, at most", print_count(info.pass_tokens * info.lanes)});
    if (info.lanes > 1) table.add({"windows side by side", print_count(info.lanes)});
    if (info.sequences > 1) table.add({"answers side by side", print_count(info.sequences)});
    table.print(stdout);
}

void say_peak(const Program & program) {
    const uint64_t peak = ql_os_peak_rss();
    program.detail(
        format("memory   peak_rss_bytes %llu (%s)", static_cast<unsigned long long>(peak), print_size(peak).c_str()));
}

}  // namespace ql::cli
