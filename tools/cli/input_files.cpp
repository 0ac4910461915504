#include "tools/cli/input_files.hpp"

#include <glob.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>

namespace ql::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kOfData[] = {".jsonl", ".json", ".csv", ".tsv", ".txt", ".gz"};
constexpr std::string_view kOfModels[] = {".json", ".safetensors", ".model", ".jinja"};

/// Whether files of this name are read from the folder. What a run writes (adapters, pictures, beside a model its metrics)
/// may stand there and be written again.
bool is_read(const fs::path & folder, const fs::path & file) {
    const std::string name = file.filename().string(), ending = file.extension().string();
    if (ending == ".gguf") return name.starts_with("step-");  // a checkpoint
    std::error_code ec;
    const bool is_model = fs::exists(folder / "config.json", ec) || fs::exists(folder / "adapter_config.json", ec);
    const std::span<const std::string_view> read =
        is_model ? std::span<const std::string_view>(kOfModels) : std::span<const std::string_view>(kOfData);
    return std::find(read.begin(), read.end(), ending) != read.end();
}

/// By its name itself, or by what that leads to where it is a link: the latter is written.
bool is_read_in(const fs::path & folder, const fs::path & file) {
    std::error_code ec;
    const auto stands_there = [&](const fs::path & path) {
        return is_same_file(path.parent_path().string(), folder.string()) && is_read(folder, path);
    };
    return stands_there(fs::absolute(file, ec)) || stands_there(fs::canonical(file, ec));
}

bool matches(const std::string & file, const std::string & pattern) {
    glob_t found{};
    const int status = ::glob(pattern.c_str(), GLOB_NOSORT, nullptr, &found);
    const std::unique_ptr<glob_t, decltype(&globfree)> owner(&found, globfree);
    return status == 0 && std::any_of(found.gl_pathv, found.gl_pathv + found.gl_pathc,
                                      [&](const char * path) { return is_same_file(file, path); });
}

/// "model-00002-of-00003.gguf" without the number of the part; "" for other names.
std::string without_part(const fs::path & path) {
    std::error_code ec;
    const std::string text = fs::weakly_canonical(path, ec).string();
    constexpr std::string_view kForm = "-00000-of-00000.gguf";
    if (ec || text.size() < kForm.size()) return "";
    const size_t begin = text.size() - kForm.size();
    for (size_t i = 0; i < kForm.size(); ++i) {
        const char c = text[begin + i];
        if (kForm[i] == '0' ? c < '0' || c > '9' : c != kForm[i]) return "";
    }
    return text.substr(0, begin) + text.substr(begin + std::string_view("-00000").size());
}

}  // namespace

bool is_same_file(const std::string & a, const std::string & b) {
    std::error_code ec;
    if (fs::equivalent(a, b, ec) && !ec) return true;
    const fs::path pa = fs::weakly_canonical(a, ec), pb = ec ? fs::path() : fs::weakly_canonical(b, ec);
    return !ec && pa == pb;
}

bool is_piece_of_input(const std::string & path, const std::string & input) {
    std::error_code ec;
    if (!fs::is_regular_file(path, ec)) return false;
    if (fs::is_directory(input, ec)) return is_read_in(input, path);
    if (!fs::exists(input, ec)) return matches(path, input);
    const std::string model = without_part(input);
    return !model.empty() && model == without_part(path);
}

}  // namespace ql::cli
