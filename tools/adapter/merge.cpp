#include "tools/adapter/merge.hpp"

#include <cmath>
#include <filesystem>

#include "ql/dtypes.hpp"
#include "tools/cli/escape.hpp"
#include "tools/cli/table.hpp"
#include "tools/cli/units.hpp"
#include "tools/cli/weight_kind.hpp"

namespace ql::cli {

MergeCommand::MergeCommand(Program & program, CLI::App * app) : program_(program) {
    app->add_option("--lora", loras_, "An adapter and its scale; may be given several times")
        ->required()
        ->option_text("FILE[:SCALE]")
        ->allow_extra_args(false);
    program.text("--type", type_, "Of the blocks' matrices: " + weight_target_names(" or "), app)->option_text("TYPE");
}

void MergeCommand::run(Bases & bases, const std::string & output, bool force) {
    auto options = defaults<ql_quantize_options>();
    options.type = choose_type(force);
    options.user = this;
    options.on_tensor = [](void * self, const ql_quantized_tensor * t) {
        static_cast<MergeCommand *>(self)->on_tensor(*t);
        return g_interrupt != 0 ? 1 : 0;
    };
    Outputs outputs;
    outputs.input("-m", bases.path());
    const std::vector<ScaledPath> loras = name_adapters("--lora", loras_, outputs);
    outputs.file("-o", output);
    outputs.check();
    bases.open();
    const AdapterPtr adapter = bases.compose(loras, defaults<ql_compose_options>());
    Progress progress("merge", program_.quiet || program_.verbose);
    progress_ = &progress;
    check_input(ql_adapter_merge(adapter.get(), bases.path().c_str(), output.c_str(), &options));
    progress.clear();
    print(output);
}

/// A type of few bits needs --force: there a plain merge keeps little of what was learnt.
ql_dtype MergeCommand::choose_type(bool force) const {
    const auto type = static_cast<ql_dtype>(parse_base_type("--type", type_, false));
    constexpr int64_t kRow = 4096;
    if (ql_dtype_bytes(type, kRow) < kRow && !force)
        bad_input(
            "--type %s: a merge into so few bits loses much of the adapter; take f16, bf16 or q8_0, serve base and "
            "adapter apart, or give --force and read what was kept",
            type_.c_str());
    return type;
}

void MergeCommand::on_tensor(const ql_quantized_tensor & t) {
    progress_->update(static_cast<double>(t.index + 1), static_cast<double>(t.n), t.name);
    if (std::isnan(t.kept)) return;
    Kind & kind = kinds_[kind_of(t.name) + " " + t.from + " -> " + t.to];
    ++kind.n;
    kind.kept += t.kept;
    kind.least = std::min(kind.least, t.kept);
    program_.detail(format("%-32s %-7s -> %-7s kept %.3f", t.name, t.from, t.to, t.kept));
}

void MergeCommand::print(const std::string & output) const {
    const auto size = static_cast<uint64_t>(std::filesystem::file_size(output));
    if (program_.json) {
        Json kinds = Json::array();
        for (const auto & [name, k] : kinds_)
            kinds.push_back({{"linears", name},
                             {"n", k.n},
                             {"kept", number_or_null(k.kept / static_cast<double>(k.n))},
                             {"least", number_or_null(k.least)}});
        return program_.print({{"file", output}, {"bytes", size}, {"kinds", kinds}});
    }
    Table table({"linears", "n", "kept", "least"});
    for (const auto & [name, k] : kinds_)
        table.add(
            {name, print_count(k.n), print_number(k.kept / static_cast<double>(k.n), 3), print_number(k.least, 3)});
    table.print(stdout);
    std::printf(
        "kept: the part of the adapter's change that the merged weights hold; mean and least of the layers\n%s: %s\n",
        escape_line(output).c_str(), print_size(size).c_str());
}

}  // namespace ql::cli
