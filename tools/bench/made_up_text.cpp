#include "tools/bench/made_up_text.hpp"

#include <fstream>

#include "ql/os.h"
#include "tools/cli/program.hpp"

namespace ql::cli {

/// A new one: in a shared folder, a file whose name can be guessed may be somebody's link already.
TemporaryFolder::TemporaryFolder() {
    namespace fs = std::filesystem;
    std::error_code ec;
    for (int attempt = 0; attempt < 100; ++attempt) {
        folder_ = fs::temp_directory_path() / format("ql-bench-%.0f", ql_os_seconds() * 1e9);
        if (fs::create_directory(folder_, ec)) {
            fs::permissions(folder_, fs::perms::owner_all);
            return;
        }
        if (ec) break;
    }
    run_failed("%s: cannot make a temporary folder", folder_.c_str());
}

TemporaryFolder::~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
}

MadeUpText::MadeUpText(int64_t n_words) {
    static const char * const words[] = {"the",  "of",   "and",   "water", "to",  "in",   "small", "is",    "you",
                                         "that", "it",   "house", "was",   "for", "on",   "are",   "with",  "as",
                                         "his",  "they", "river", "at",    "be",  "this", "from",  "table", "have",
                                         "or",   "by",   "one",   "had",   "not", "but",  "what",  "all",   "green",
                                         "were", "when", "we",    "there", "can", "an",   "your"};
    std::ofstream file(path_);
    uint32_t state = 1;
    for (int64_t i = 0; i < n_words; ++i) {
        state = state * 1664525u + 1013904223u;
        file << words[(state >> 16) % std::size(words)] << (i % 12 == 11 ? ".\n" : " ");
    }
    if (!file.flush()) run_failed("%s: cannot write a temporary text", path_.c_str());
}

}  // namespace ql::cli
