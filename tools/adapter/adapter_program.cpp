#include "tools/adapter/adapter_program.hpp"

#include <algorithm>
#include <string_view>

#include "tools/cli/units.hpp"

namespace ql::cli {
namespace {

bool have_one_architecture(const std::vector<AdapterPtr> & adapters) {
    return std::all_of(adapters.begin(), adapters.end(), [&](const AdapterPtr & a) {
        return std::string_view(describe(a).architecture) == describe(adapters[0]).architecture;
    });
}

}  // namespace

void Bases::open() {
    if (!options_.path().empty()) model_ = options_.open();
}

AdapterPtr Bases::open_adapter(const std::string & path) const {
    return cli::open_adapter(program_, path, model_, any_base_);
}

AdapterPtr Bases::compose(const std::vector<ScaledPath> & named, const ql_compose_options & options,
                          Check * check) const {
    std::vector<AdapterPtr> owners;
    std::vector<const ql_adapter *> parts;
    std::vector<double> weights;
    for (const ScaledPath & n : named) {
        owners.push_back(open_adapter(n.path));
        if (check) check(n.path, owners.back());
        parts.push_back(owners.back().get());
        weights.push_back(static_cast<double>(n.scale));
    }
    program_.begin_work();
    AdapterPtr made;
    const Status composed =
        ql_adapter_compose(parts.data(), weights.data(), static_cast<int>(parts.size()), &options, out(made));
    // Of adapters for one architecture this code says that their bases differ.
    if (composed.code() == QL_BAD_FILE && !any_base_ && have_one_architecture(owners))
        bad_input("%s; --force composes them all the same", composed.message().c_str());
    check_input(composed);
    say_notes(program_, made);
    return made;
}

std::vector<ScaledPath> name_adapters(const std::string & option, const std::vector<std::string> & specs,
                                      Outputs & outputs) {
    std::vector<ScaledPath> named;
    for (const std::string & spec : specs) {
        named.push_back(parse_scaled_path(option, spec));
        outputs.input(option, named.back().path);
    }
    return named;
}

ql_adapter_info describe(const AdapterPtr & adapter) {
    auto info = sized<ql_adapter_info>();
    check_run(ql_adapter_describe(adapter.get(), &info));
    return info;
}

std::vector<ql_adapter_matrix_info> matrices_of(const AdapterPtr & adapter) {
    std::vector<ql_adapter_matrix_info> all(static_cast<size_t>(describe(adapter).n_matrices),
                                            sized<ql_adapter_matrix_info>());
    for (size_t i = 0; i < all.size(); ++i)
        check_run(ql_adapter_matrix(adapter.get(), static_cast<int64_t>(i), &all[i]));
    return all;
}

bool changes_nothing(const ql_adapter_matrix_info & matrix) {
    return matrix.state == QL_ADAPTER_ZERO_B || matrix.state == QL_ADAPTER_ZERO_A ||
           matrix.state == QL_ADAPTER_ZERO_SCALE;
}

std::vector<ql_adapter_rows_info> rows_of(const AdapterPtr & adapter) {
    std::vector<ql_adapter_rows_info> all(static_cast<size_t>(describe(adapter).n_row_weights),
                                          sized<ql_adapter_rows_info>());
    for (size_t i = 0; i < all.size(); ++i) check_run(ql_adapter_rows(adapter.get(), static_cast<int64_t>(i), &all[i]));
    return all;
}

std::string fit(const AdapterPtr & adapter, const ModelPtr & model) {
    const ql_adapter_info info = describe(adapter);
    const ql_model_info base = ModelOptions::describe(model);
    if (!*info.base_identity) return "unknown";
    if (std::string_view(info.base_identity) != base.identity) return "another base";
    return std::string_view(info.base_file_hash) == base.file_hash ? "this file" : "another quantisation";
}

std::string summary(const std::string & path, const AdapterPtr & adapter) {
    const ql_adapter_info info = describe(adapter);
    const std::string rank = info.r_min == info.r_max ? format("rank %lld", static_cast<long long>(info.r_min))
                                                      : format("ranks %lld to %lld", static_cast<long long>(info.r_min),
                                                               static_cast<long long>(info.r_max));
    return path + ": " + print_count(info.n_matrices) + (info.n_matrices == 1 ? " linear, " : " linears, ") + rank +
           ", " + print_count(info.n_parameters) + " parameters";
}

}  // namespace ql::cli
