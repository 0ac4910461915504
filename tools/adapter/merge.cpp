#include "tools/adapter/merge.hpp"

#include <cmath>
#include <filesystem>

#include "ql/dtypes.hpp"
#include "tools/cli/escape.hpp"
#include "tools/cli/table.hpp"
#include "tools/cli/units.hpp"
#include "tools/cli/weight_kind.hpp"

namespace ql::cli {

namespace {

/// Fewer than eight bits a weight: a small change may round back to what was there.
bool has_few_bits(int64_t type) {
    constexpr int64_t kRow = 4096;
    return ql_dtype_bytes(static_cast<ql_dtype>(type), kRow) < kRow;
}

/// "blk.12.attn_q.weight" -> "12"; "" of weights outside of the layers.
std::string layer_name(const std::string & name) {
    return name.starts_with("blk.") ? name.substr(4, name.find('.', 4) - 4) : "";
}

/// What has no sum is merged alone and whole.
void check_can_be_summed(const std::string & path, const AdapterPtr & adapter) {
    const ql_adapter_info info = describe(adapter);
    const char * what = std::string_view(info.kind) == "dora" ? "is a DoRA"
                        : info.n_norms > 0                    ? "holds trained norms"
                        : info.n_row_weights > 0              ? "holds rows of tokens"
                                                              : nullptr;
    if (what)
        bad_input("--lora %s: it %s, which is merged alone and without a scale; merge one adapter after the other",
                  path.c_str(), what);
}

}  // namespace

MergeCommand::MergeCommand(Program & program, Command & command) : program_(program) {
    command.texts("--lora", loras_, "An adapter and its scale; may be given several times")
        ->required()
        ->option_text("FILE[:SCALE]")
        ->one_each_time();
    command
        .text("--type", type_, "Of the blocks' matrices: keep (the type that each has), " + weight_target_names(" or "))
        ->option_text("TYPE");
    command.flag("--search", search_,
                 "Scales of --type by least squared error: " + dtype_names(ql_dtype_can_search, " or "));
}

void MergeCommand::run(Bases & bases, const std::string & output, int64_t threads) {
    auto options = defaults<ql_quantize_options>();
    options.type = type_ == "keep" ? static_cast<int64_t>(QL_BASE_KEEP) : parse_base_type("--type", type_, false);
    options.threads = static_cast<int>(threads);
    options.search = search_;
    options.user = this;
    options.on_tensor = [](void * self, const ql_quantized_tensor * t) {
        static_cast<MergeCommand *>(self)->on_tensor(*t);
        return g_interrupt != 0 ? 1 : 0;
    };
    Outputs outputs;
    outputs.input("-m", bases.path());
    const std::vector<ScaledPath> loras = name_adapters("--lora", loras_, outputs);
    outputs.file("-o", output, OutputKind::model);
    outputs.check();
    bases.open();
    few_bits_ =
        has_few_bits(options.type == QL_BASE_KEEP
                         ? parse_base_type("--type keep", ModelOptions::describe(bases.model()).base_type, false)
                         : options.type);
    const AdapterPtr adapter = open(bases, loras);
    check_type(bases, adapter, options, bases.forced());
    program_.begin_work();
    Progress progress("merge", program_.quiet || program_.verbose);
    progress_ = &progress;
    check_input(ql_adapter_merge(adapter.get(), bases.path().c_str(), output.c_str(), &options));
    progress.clear();
    print(output);
}

/// One adapter at its own scale is taken number by number.
AdapterPtr MergeCommand::open(const Bases & bases, const std::vector<ScaledPath> & loras) const {
    if (loras.size() == 1 && loras[0].scale == 1.0f) return bases.open_adapter(loras[0].path);
    return bases.compose(loras, defaults<ql_compose_options>(), check_can_be_summed);
}

/// A plain merge into a type of few bits keeps little of what was learnt.
void MergeCommand::check_type(const Bases & bases, const AdapterPtr & adapter, ql_quantize_options & options,
                              bool force) {
    const bool trained_for = describe(adapter).merge_type == type_;
    if (trained_for) options.embedding_type = QL_BASE_KEEP;
    const Status exact = ql_adapter_check_merge(adapter.get(), bases.model().get(), &options);
    exact_ = exact.ok();
    if (exact_) return;
    options.embedding_type = QL_BASE_AUTO;
    if (!few_bits_ || force) {
        if (trained_for) program_.note("note: not the trained weights: " + exact.message());
        return;
    }
    if (trained_for) bad_input("--type %s: %s; or give --force", type_.c_str(), exact.message().c_str());
    bad_input(
        "--type %s: a merge into so few bits loses much of the adapter; take f16, bf16 or q8_0, train with "
        "--merge-aware, serve base and adapter apart, or give --force and read what was kept",
        type_.c_str());
}

void MergeCommand::on_tensor(const ql_quantized_tensor & t) {
    progress_->update(static_cast<double>(t.index + 1), static_cast<double>(t.n), t.name);
    if (std::isnan(t.kept)) return;
    Kind & kind = kinds_[kind_of(t.name) + " " + t.from + " -> " + t.to];
    ++kind.n;
    kind.kept += t.kept;
    kind.least = std::min(kind.least, t.kept);
    std::string layer = layer_name(t.name);
    layer.insert(0, layer.empty() ? 0 : 6 - std::min<size_t>(layer.size(), 6), ' ');  // so that 2 stands before 10
    layers_[layer][kind_of(t.name)] = t.kept;
    weights_.push_back({{"weight", t.name}, {"from", t.from}, {"to", t.to}, {"kept", t.kept}});
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
        return program_.print(
            {{"file", output}, {"bytes", size}, {"exact", exact_}, {"kinds", kinds}, {"weights", weights_}});
    }
    if (few_bits_) print_layers();
    Table table({"linears", "n", "kept", "least"});
    for (const auto & [name, k] : kinds_)
        table.add(
            {name, print_count(k.n), print_number(k.kept / static_cast<double>(k.n), 3), print_number(k.least, 3)});
    table.print(stdout);
    if (exact_) std::printf("exact: these are the weights that were trained, bit for bit\n");
    std::printf(
        "kept: the part of the adapter's change that the merged weights hold; mean and least of the layers\n%s: %s\n",
        escape_line(output).c_str(), print_size(size).c_str());
}

/// Into few bits the part that survives differs from weight to weight: all of them, a layer a line.
void MergeCommand::print_layers() const {
    std::vector<std::string> kinds;
    std::map<std::string, bool> seen;
    for (const auto & [layer, kept] : layers_)
        for (const auto & [kind, part] : kept)
            if (!seen[kind]) seen[kind] = true, kinds.push_back(kind);
    std::vector<std::string> head{"kept, layer"};
    head.insert(head.end(), kinds.begin(), kinds.end());
    Table table(head);
    for (const auto & [layer, kept] : layers_) {
        std::vector<std::string> row{layer.substr(std::min(layer.find_first_not_of(' '), layer.size()))};
        for (const std::string & kind : kinds) {
            const auto it = kept.find(kind);
            row.push_back(it == kept.end() ? "" : print_number(it->second, 3));
        }
        table.add(row);
    }
    table.print(stdout);
    std::printf("\n");
}

}  // namespace ql::cli
