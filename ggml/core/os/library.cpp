#include "ggml/core/os/library.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <set>

namespace ql::os {
namespace fs = std::filesystem;

namespace {

std::vector<fs::path> search_folders(const char * environment) {
    std::vector<fs::path> folders;
    if (const char * value = std::getenv(environment)) {
        std::string rest = value;
        for (size_t colon; !rest.empty(); rest = colon == std::string::npos ? "" : rest.substr(colon + 1)) {
            colon = rest.find(':');
            folders.emplace_back(rest.substr(0, colon));
        }
    }
    std::error_code ec;
    const fs::path program = fs::read_symlink("/proc/self/exe", ec).parent_path();
    if (!ec) {
        folders.push_back(program);
        folders.push_back(program / ".." / "lib" / "ql");
    }
    return folders;
}

Library open_library(const std::string & path) {
    if (void * handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) return {path, handle};
    const char * said = dlerror();
    std::string trouble = said ? said : "unknown reason";
    if (trouble.starts_with(path + ": ")) trouble.erase(0, path.size() + 2);
    return {path, nullptr, "cannot be opened: " + trouble};
}

}  // namespace

void * Library::symbol(const char * name) const {
    return dlsym(handle, name);
}

std::vector<Library> find_libraries(const char * prefix, const char * environment) {
    std::vector<Library> found;
    std::set<std::string> names;
    for (const fs::path & folder : search_folders(environment)) {
        std::error_code ec;
        std::vector<fs::path> files;
        for (const auto & entry : fs::directory_iterator(folder, ec)) {
            const std::string name = entry.path().filename().string();
            if (name.starts_with(prefix) && name.ends_with(".so")) files.push_back(entry.path());
        }
        std::sort(files.begin(), files.end());
        for (const fs::path & file : files) {
            if (!names.insert(file.filename().string()).second) continue;
            found.push_back(open_library(file.string()));
        }
    }
    return found;
}

}  // namespace ql::os
