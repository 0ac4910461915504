#include "tools/picture/run_names.hpp"

#include <algorithm>
#include <filesystem>
#include <set>

namespace ql::cli {
namespace {

using Names = std::vector<std::string>;

bool are_distinct(const Names & names) {
    return std::set<std::string>(names.begin(), names.end()).size() == names.size();
}

bool has_empty(const Names & names) {
    return std::any_of(names.begin(), names.end(), [](const std::string & n) { return n.empty(); });
}

std::vector<Names> parts_of(const Names & paths) {
    std::vector<Names> parts;
    for (const std::string & path : paths) {
        parts.emplace_back();
        for (const auto & part : std::filesystem::path(path).lexically_normal())
            if (part != "/" && part != "." && !part.empty()) parts.back().push_back(part.string());
    }
    return parts;
}

/// The last `n` parts of each path but the last `without`.
Names last_parts(const std::vector<Names> & parts, size_t n, size_t without) {
    Names names;
    for (const Names & path : parts) {
        std::string name;
        const size_t end = path.size() - std::min(path.size(), without), begin = path.size() - std::min(path.size(), n);
        for (size_t i = begin; i < end; ++i) name += (name.empty() ? "" : "/") + path[i];
        names.push_back(name);
    }
    return names;
}

/// Without an ending such as ".jsonl", if they all still differ.
Names without_extensions(const Names & names) {
    Names shorter;
    for (const std::string & name : names) {
        const std::filesystem::path path(name);
        shorter.push_back(path.extension() == ".jsonl" ? name.substr(0, name.size() - 6) : name);
    }
    return are_distinct(shorter) && !has_empty(shorter) ? shorter : names;
}

}  // namespace

Names telling_names(const Names & paths) {
    const std::vector<Names> parts = parts_of(paths);
    size_t longest = 1;
    for (const Names & path : parts) longest = std::max(longest, path.size());
    for (size_t n = 1; n <= longest; ++n) {
        if (!are_distinct(last_parts(parts, n, 0))) continue;
        for (size_t without = n - 1; without > 0; --without) {
            const Names names = last_parts(parts, n, without);
            if (are_distinct(names) && !has_empty(names)) return names;
        }
        return without_extensions(last_parts(parts, n, 0));
    }
    return paths;  // of different paths that are spelt apart alone, such as a and ./a
}

}  // namespace ql::cli
