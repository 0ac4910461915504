#include "tools/cli/outputs.hpp"

#include <filesystem>
#include <fstream>
#include <memory>

#include "ql/gguf.h"
#include "ql/os.h"
#include "tools/cli/input_files.hpp"
#include "tools/cli/stop.hpp"
#include "tools/cli/units.hpp"

namespace ql::cli {
namespace {

namespace fs = std::filesystem;

void check_file(const std::string & option, const std::string & path) {
    const Status status = ql_os_check_writable(path.c_str());
    if (status.ok()) return;
    throw Stop{status.code() == QL_NO_SPACE ? kFailed : kBadInput, option + ": " + status.message()};
}

void check_folder(const std::string & option, const std::string & path) {
    std::error_code ec;
    fs::path parent = fs::absolute(path, ec);
    while (!ec && !fs::exists(parent, ec) && parent.has_relative_path()) parent = parent.parent_path();
    if (!fs::is_directory(parent, ec)) bad_input("%s: %s is not a folder", option.c_str(), parent.c_str());
    // Of a file with such a name nothing is said: nobody asked for one.
    const Status status = ql_os_check_writable((parent / "probe").c_str());
    if (status.ok()) return;
    const std::string & why = status.message();
    const size_t colon = why.rfind(": ");
    throw Stop{status.code() == QL_NO_SPACE ? kFailed : kBadInput, option + ": " + parent.string() +
                                                                       ": no file can be made in this folder" +
                                                                       (colon == why.npos ? "" : why.substr(colon))};
}

constexpr const char * kModel = "a model";
constexpr const char * kAdapter = "an adapter";
constexpr const char * kNoGguf = "no GGUF file";

/// What the file is that stands at `path`, in words; "" where there is none, an empty one, or one that nobody can read.
std::string kind_of(const std::string & path) {
    std::error_code ec;
    if (!fs::is_regular_file(path, ec) || fs::file_size(path, ec) == 0 || ec) return "";
    char magic[4] = {};
    if (!std::ifstream(path, std::ios::binary).read(magic, 4) || std::string_view(magic, 4) != "GGUF") return kNoGguf;
    ql_gguf * file = nullptr;
    if (ql_gguf_open(path.c_str(), &file) != QL_OK) return "";
    const std::unique_ptr<ql_gguf, decltype(&ql_gguf_close)> owner(file, ql_gguf_close);
    ql_gguf_string type{};
    if (ql_gguf_get_string(file, "general.type", &type) != QL_OK) return kModel;
    const std::string_view name(type.data, type.size);
    return name == "adapter" ? kAdapter : name == "ql-checkpoint" ? "a checkpoint" : kModel;
}

/// Refuses a mistyped name: a model of many gigabytes shall not become an adapter.
void check_replaced(const std::string & option, const std::string & path, OutputKind kind) {
    const std::string there = kind_of(path);
    const std::string made = kind == OutputKind::model ? kModel : kind == OutputKind::adapter ? kAdapter : kNoGguf;
    if (there.empty() || there == made) return;
    bad_input("%s: %s is %s, and would be overwritten by %s; choose another name, or remove it first", option.c_str(),
              path.c_str(), there.c_str(), kind == OutputKind::other ? "another kind of file" : made.c_str());
}

}  // namespace

void Outputs::input(const std::string & option, const std::string & path) {
    if (!path.empty()) inputs_.push_back({option, path});
}
void Outputs::file(const std::string & option, const std::string & path, OutputKind kind) {
    if (!path.empty()) outputs_.push_back({option, path, false, kind});
}
void Outputs::folder(const std::string & option, const std::string & path) {
    if (!path.empty()) outputs_.push_back({option, path, true});
}

void Outputs::check() const {
    for (size_t i = 0; i < outputs_.size(); ++i) {
        const Entry & out = outputs_[i];
        for (const Entry & in : inputs_) {
            const bool is_input = is_same_file(out.path, in.path);
            if (!is_input && !is_piece_of_input(out.path, in.path)) continue;
            bad_input("%s: %s is %s of %s and would be overwritten; choose another name", out.option.c_str(),
                      out.path.c_str(), is_input ? "the input" : "a file of the input", in.option.c_str());
        }
        for (size_t j = 0; j < i; ++j) {
            if (!is_same_file(out.path, outputs_[j].path)) continue;
            bad_input("%s: %s is written by %s already; choose another name", out.option.c_str(), out.path.c_str(),
                      outputs_[j].option.c_str());
        }
        if (out.folder) {
            check_folder(out.option, out.path);
            continue;
        }
        check_replaced(out.option, out.path, out.kind);
        check_file(out.option, out.path);
    }
}

void check_free_space(const std::string & path, uint64_t bytes, const char * what) {
    uint64_t free = 0;
    check_run(ql_os_free_space(path.c_str(), &free));
    if (free >= bytes) return;
    run_failed("%s: %s needs about %s of disk, %s are free", path.c_str(), what, print_size(bytes).c_str(),
               print_size(free).c_str());
}

}  // namespace ql::cli
