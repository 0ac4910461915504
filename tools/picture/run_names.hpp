// What a legend calls runs: of their files' paths the part that tells them apart.
#pragma once
#include <string>
#include <vector>

namespace ql::cli {

/// Of "runs/a/metrics.jsonl" and "runs/b/metrics.jsonl" "a" and "b"; of "x/lr-1.jsonl" and "x/lr-2.jsonl" "lr-1" and
/// "lr-2". The paths are all different.
std::vector<std::string> telling_names(const std::vector<std::string> & paths);

}  // namespace ql::cli
