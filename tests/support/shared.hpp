// Where test data lies: golden figures in the repo, and larger optional files (vocabularies, texts) beside it.
#pragma once
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

namespace ql::test {

/// A file of the optional data folder ($QL_SHARED, else ../shared beside the sources), or nothing where it is absent.
inline std::optional<std::string> shared_path(const std::string & relative) {
    const char * env = std::getenv("QL_SHARED");
    const std::filesystem::path root =
        env ? std::filesystem::path(env) : std::filesystem::path(QL_SOURCE_DIR) / ".." / "shared";
    const auto path = root / relative;
    if (!std::filesystem::exists(path)) return std::nullopt;
    return path.string();
}

/// A golden file kept in tests/golden.
inline std::string golden_path(const std::string & relative) {
    return (std::filesystem::path(QL_SOURCE_DIR) / "tests" / "golden" / relative).string();
}

}  // namespace ql::test
