#include "models/data/data_files.hpp"

#include <glob.h>

#include <algorithm>
#include <filesystem>
#include <memory>

namespace ql {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxFiles = 10'000;
constexpr const char * kEndings[] = {".jsonl", ".json", ".csv", ".tsv", ".txt"};

bool is_data_file(const fs::path & path) {
    const fs::path plain = path.extension() == ".gz" ? path.stem() : path.filename();
    return std::any_of(std::begin(kEndings), std::end(kEndings),
                       [&](const char * ending) { return plain.extension() == ending; });
}

Status too_many(const std::string & name) {
    return error(QL_UNSUPPORTED, "%s: more than %zu files", name.c_str(), kMaxFiles);
}

Result<std::vector<std::string>> files_in(const std::string & folder) {
    std::vector<std::string> files;
    std::error_code ec;
    for (fs::directory_iterator it(folder, ec), end; !ec && it != end; it.increment(ec)) {
        if (!it->is_regular_file(ec) || !is_data_file(it->path())) continue;
        if (files.size() == kMaxFiles) return too_many(folder);
        files.push_back(it->path().string());
    }
    if (ec) return error(QL_IO, "%s: cannot read the folder: %s", folder.c_str(), ec.message().c_str());
    if (files.empty())
        return error(QL_NOT_FOUND, "%s: no .jsonl, .json, .csv, .tsv or .txt file, nor .gz of one, in this folder",
                     folder.c_str());
    std::sort(files.begin(), files.end());
    return files;
}

Result<std::vector<std::string>> matching(const std::string & pattern) {
    glob_t found{};
    const int status = glob(pattern.c_str(), GLOB_NOSORT, nullptr, &found);
    const std::unique_ptr<glob_t, decltype(&globfree)> owner(&found, globfree);
    if (status == GLOB_NOSPACE) return error(QL_NO_MEMORY, "%s: no memory for the names of files", pattern.c_str());
    if (status == GLOB_ABORTED) return error(QL_IO, "%s: a folder cannot be read", pattern.c_str());
    if (found.gl_pathc > kMaxFiles) return too_many(pattern);
    std::vector<std::string> files;
    std::error_code ec;
    for (size_t i = 0; i < found.gl_pathc; ++i)
        if (!fs::is_directory(found.gl_pathv[i], ec)) files.emplace_back(found.gl_pathv[i]);
    if (files.empty()) return error(QL_NOT_FOUND, "%s: no file matches this pattern", pattern.c_str());
    std::sort(files.begin(), files.end());
    return files;
}

}  // namespace

Result<std::vector<std::string>> data_files(const std::string & name) {
    std::error_code ec;
    if (fs::is_directory(name, ec)) return files_in(name);
    if (!fs::exists(name, ec) && name.find_first_of("*?[") != name.npos) return matching(name);
    return std::vector<std::string>{name};
}

Result<std::vector<std::string>> data_files(const std::vector<std::string> & names) {
    std::vector<std::string> files;
    for (const std::string & name : names) {
        QL_ASSIGN(const std::vector<std::string> some, data_files(name));
        files.insert(files.end(), some.begin(), some.end());
        if (files.size() > kMaxFiles) return too_many(name);
    }
    if (files.empty()) return error(QL_INVALID_ARGUMENT, "a dataset of no files");
    return files;
}

std::string names_of_files(const std::vector<std::string> & files) {
    if (files.empty()) return {};
    return files[0] + (files.size() > 1 ? " and " + std::to_string(files.size() - 1) + " more" : "");
}

}  // namespace ql
