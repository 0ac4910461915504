// The reader of --config files: CLI11's TOML with limits. CLI11 stores a section of n names as n lists of up to n names
// and cuts lists in quadratic time: without limits a small file takes all memory.
#pragma once
#include <memory>

namespace CLI {
class Config;
}

namespace ql::cli {

std::shared_ptr<CLI::Config> limited_toml();

}  // namespace ql::cli
