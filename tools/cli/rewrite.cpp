#include "tools/cli/rewrite.hpp"

#include <nlohmann/json.hpp>
#include <strings.h>

#include <cmath>
#include <filesystem>

#include "ql/dtypes.hpp"
#include "ql/gguf.h"
#include "tools/cli/device_options.hpp"
#include "tools/cli/escape.hpp"
#include "tools/cli/outputs.hpp"
#include "tools/cli/table.hpp"
#include "tools/cli/units.hpp"
#include "tools/cli/weight_kind.hpp"

namespace ql::cli {
namespace {

/// The mixes that there are, "q3_K_S, q3_K_M or q4_K_M".
std::string recipe_names(const char * before_last) {
    std::string names;
    for (int64_t i = 0; const char * name = ql_quantize_recipe_at(i); ++i)
        names += (i == 0 ? "" : ql_quantize_recipe_at(i + 1) ? ", " : before_last) + std::string(name);
    return names;
}

/// The mix of that name, in any case; "" where it is a type's, or none.
std::string recipe_of(const std::string & type) {
    for (int64_t i = 0; const char * name = ql_quantize_recipe_at(i); ++i)
        if (strcasecmp(name, type.c_str()) == 0) return name;
    return "";
}

/// Whether a type holds its values in fewer than 16 bits.
bool is_rounded(const std::string & name) {
    ql_dtype type;
    return ql_dtype_from_name(name.c_str(), &type) == QL_OK && ql_dtype_bytes(type, 256) < 256 * 2;
}

std::string error_text(double rel_rmse) {
    return rel_rmse == 0 ? "" : print_number(rel_rmse, 4);
}

}  // namespace

std::string Rewrite::type_names() {
    return weight_target_names(" or ") + "; or a mix of them as llama.cpp has it: " + recipe_names(" or ");
}

void Rewrite::add_options() {
    program
        .text("--embeddings", embeddings_,
              "Type of embedding and head: auto (as it is up to 8 bits, else TYPE where it has 16, else q8_0) or one")
        ->option_text("TYPE");
    program.flag("--search", search_,
                 "Scales of blocks by least squared error instead of the largest weight (" +
                     dtype_names(ql_dtype_can_search, " or ") + "): a better model, some seconds more");
    program.text("--evaluate", text_, "A text: prints its perplexity before and after")->option_text("FILE");
    program
        .number("--split", split_, 1, 1 << 24,
                "Most MiB of tensors in a file: writes OUT-00001-of-0000N.gguf and so on")
        ->default_str("");
    program.threads(threads_);
}

void Rewrite::choose_type(ql_quantize_options & options) {
    recipe_ = recipe_of(type);
    ql_dtype named;
    if (recipe_.empty() && type != "keep" && ql_dtype_from_name(type.c_str(), &named) != QL_OK)
        bad_input("%s: '%.60s' is unknown; there are keep, %s", type_option, type.c_str(), type_names().c_str());
    if (recipe_.empty())
        options.type = type == "keep" ? static_cast<int64_t>(QL_BASE_KEEP) : parse_base_type(type_option, type, false);
    else
        options.recipe = recipe_.c_str();
    options.embedding_type = embeddings_ == "auto" ? static_cast<int64_t>(QL_BASE_AUTO)
                                                   : parse_base_type("--embeddings", embeddings_, false);
}

int Rewrite::run(const char * verb) {
    auto options = defaults<ql_quantize_options>();
    options.threads = static_cast<int>(threads_);
    choose_type(options);
    options.search = search_;
    options.split_bytes = static_cast<uint64_t>(split_) << 20;
    Cost cost(text_);
    options.user = this;
    options.on_tensor = [](void * self, const ql_quantized_tensor * t) {
        static_cast<Rewrite *>(self)->on_tensor(*t);
        return g_interrupt != 0 ? 1 : 0;
    };
    options.on_note = [](void * self, const char * note) {
        static_cast<Rewrite *>(self)->program.note(std::string("note: ") + note);
    };
    Outputs outputs;
    outputs.input(in_option, in);
    if (!text_.empty()) outputs.input("--evaluate", text_);
    outputs.file("OUT", out, OutputKind::model);
    outputs.check();
    program.begin_work();
    Progress progress(verb, program.quiet || program.verbose);
    progress_ = &progress;
    check_input(ql_quantize(in.c_str(), out.c_str(), &options));
    progress.clear();
    name_files();
    note_second_rounding();
    if (cost.is_asked()) cost.measure(in, files_[0], threads_);
    print_result(cost);
    return kDone;
}

void Rewrite::on_tensor(const ql_quantized_tensor & t) {
    Group & g = groups_[{kind_of(t.name), t.from, t.to}];
    ++g.n;
    g.bytes_from += t.bytes_from, g.bytes_to += t.bytes_to;
    g.sum_squares += t.rel_rmse * t.rel_rmse;
    g.worst = std::max(g.worst, t.rel_rmse);
    if (t.note && *t.note) g.note = t.note;
    bytes_from_ += t.bytes_from, bytes_to_ += t.bytes_to;
    n_parts_ = t.part + 1;
    ++n_;
    program.detail(format("%4lld/%lld  %-32s %-7s -> %-7s %10s  error %s  %s", static_cast<long long>(t.index + 1),
                          static_cast<long long>(t.n), t.name, t.from, t.to, print_size(t.bytes_to).c_str(),
                          t.rel_rmse == 0 ? "none" : print_number(t.rel_rmse, 5).c_str(), t.note ? t.note : ""));
    progress_->update(static_cast<double>(t.index + 1), static_cast<double>(t.n), t.name);
}

/// A second rounding loses more than one of the original would.
void Rewrite::note_second_rounding() const {
    int64_t n = 0;
    std::string types;
    for (const auto & [key, g] : groups_) {
        const auto & [kind, from, to] = key;
        if (from == to || g.worst == 0 || !is_rounded(from) || !is_rounded(to)) continue;
        n += g.n, types = from + " to " + to;
    }
    if (n > 0)
        program.note(
            format("note: %lld tensors are rounded a second time, from %s: converted from a model of 16 bits they "
                   "would lose less",
                   static_cast<long long>(n), types.c_str()));
}

/// OUT, or the parts that took its place.
void Rewrite::name_files() {
    if (split_ == 0) return files_.push_back(out);
    const std::string stem = out.ends_with(".gguf") ? out.substr(0, out.size() - 5) : out;
    for (int64_t i = 1; i <= n_parts_; ++i)
        files_.push_back(stem +
                         format("-%05lld-of-%05lld.gguf", static_cast<long long>(i), static_cast<long long>(n_parts_)));
}

void Rewrite::print_result(const Cost & cost) const {
    const double ratio = bytes_to_ ? static_cast<double>(bytes_from_) / static_cast<double>(bytes_to_) : 0;
    if (program.json) return print_json(ratio, cost);
    Table table({"tensors", "n", "from", "to", "before", "after", "error", "worst", ""});
    table.left({2, 3, 8});
    for (const auto & [key, g] : groups_) {
        const auto & [kind, from, to] = key;
        const double mean = std::sqrt(g.sum_squares / static_cast<double>(g.n));
        table.add({kind, print_count(g.n), from, to, print_size(g.bytes_from), print_size(g.bytes_to), error_text(mean),
                   error_text(g.worst), g.note});
    }
    const bool grows = ratio > 0 && ratio < 1;
    table.add({"all", print_count(n_), "", "", print_size(bytes_from_), print_size(bytes_to_), "", "",
               print_number(grows ? 1 / ratio : ratio, 2) + (grows ? " times larger" : " times smaller")});
    table.print(stdout);
    std::printf("error: norm of the change over the norm of the weights\n");
    if (cost.is_asked()) std::printf("%s\n", cost.line().c_str());
    for (const std::string & file : files_)
        std::printf("%s: %s\n", escape_line(file).c_str(), print_size(std::filesystem::file_size(file)).c_str());
}

void Rewrite::print_json(double ratio, const Cost & cost) const {
    Json kinds = Json::array();
    for (const auto & [key, g] : groups_) {
        const auto & [kind, from, to] = key;
        kinds.push_back({{"tensors", kind},
                         {"n", g.n},
                         {"from", from},
                         {"to", to},
                         {"bytes_from", g.bytes_from},
                         {"bytes_to", g.bytes_to},
                         {"error", std::sqrt(g.sum_squares / static_cast<double>(g.n))},
                         {"worst", g.worst},
                         {"note", g.note}});
    }
    program.print({{"file", files_[0]},
                   {"files", files_},
                   {"evaluate", cost.is_asked() ? cost.json() : Json(nullptr)},
                   {"search", search_},
                   {"tensors", n_},
                   {"bytes_from", bytes_from_},
                   {"bytes_to", bytes_to_},
                   {"ratio", ratio},
                   {"kinds", kinds}});
}

}  // namespace ql::cli
