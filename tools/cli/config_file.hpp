// The reader of --config files, TOML. toml++ reads them: it knows TOML whole, refuses what is written twice or behind a value,
// and says where. CLI11's own reader takes such lines without a word. CLI11 then gets keys and values.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>

namespace CLI {
class Config;
}

namespace ql::cli {

/// The line on which each key stands.
using ConfigLines = std::map<std::string, int64_t>;

/// errors  CLI::ConfigError, whose text goes behind the file's name: ":LINE: what", or ": what". lines must outlive it.
std::shared_ptr<CLI::Config> config_reader(ConfigLines & lines);

}  // namespace ql::cli
