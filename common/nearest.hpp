// Which name a misspelt one was meant to be: options, fields of data.
#pragma once
#include <algorithm>
#include <string>
#include <vector>

namespace ql {

/// Damerau and Levenshtein's distance, without a letter edited twice.
inline size_t edit_distance(const std::string & a, const std::string & b) {
    const size_t width = b.size() + 1;
    std::vector<size_t> d((a.size() + 1) * width);
    const auto at = [&](size_t i, size_t j) -> size_t & { return d[i * width + j]; };
    for (size_t i = 0; i <= a.size(); ++i) at(i, 0) = i;
    for (size_t j = 0; j <= b.size(); ++j) at(0, j) = j;
    for (size_t i = 1; i <= a.size(); ++i)
        for (size_t j = 1; j <= b.size(); ++j) {
            const size_t replaced = at(i - 1, j - 1) + (a[i - 1] != b[j - 1] ? 1 : 0);
            at(i, j) = std::min({replaced, at(i - 1, j) + 1, at(i, j - 1) + 1});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                at(i, j) = std::min(at(i, j), at(i - 2, j - 2) + 1);
        }
    return at(a.size(), b.size());
}

/// The name that takes the fewest changes of letters, few for its length, or one that begins alike; "" if none does.
inline std::string nearest_name(const std::string & word, const std::vector<std::string> & names) {
    constexpr size_t kLongest = 64;  // of what may be a misspelt name
    if (word.size() > kLongest) return "";
    const size_t most = word.size() < 3 ? 0 : std::max<size_t>(1, word.size() / 3);
    std::string best;
    size_t best_distance = most + 1;
    for (const std::string & name : names)
        if (const size_t n = edit_distance(word, name); n < best_distance) best = name, best_distance = n;
    if (!best.empty() || word.size() < 3) return best;
    const auto begins = [&](const std::string & name) {
        return name.starts_with(word) || (name.size() > 2 && word.starts_with(name));
    };
    const auto begun = std::find_if(names.begin(), names.end(), begins);
    return begun == names.end() ? "" : *begun;
}

}  // namespace ql
