#include "models/files/chat_template_file.hpp"

#include <filesystem>

#include "models/files/json_file.hpp"
#include "ql/ql.hpp"

namespace ql {
namespace {

constexpr size_t kMaxTemplate = size_t{1} << 20;

bool exists(const std::string & path) {
    std::error_code ignored;
    return std::filesystem::exists(path, ignored);
}

}  // namespace

Result<std::string> read_hf_chat_template(const std::string & directory) {
    const std::string file = directory + "/chat_template.jinja";
    if (!exists(file)) return read_tokenizer_chat_template(directory);
    QL_ASSIGN(const FileBytes bytes, read_file(file, kMaxTemplate));
    return std::string(bytes.view());
}

Result<std::string> read_tokenizer_chat_template(const std::string & directory) {
    const std::string config_file = directory + "/tokenizer_config.json";
    std::string text;
    if (!exists(config_file)) return text;
    QL_ASSIGN(const JsonFile config, JsonFile::open(config_file));
    if (!config.at("chat_template").is_array()) {
        QL_TRY(config.text("chat_template", text, ""));
        return text;
    }
    for (const auto & row : config.at("chat_template")) {
        const bool usable = row.is_object() && row.contains("name") && row["name"] == "default" &&
                            row.contains("template") && row["template"].is_string();
        if (usable) text = row["template"].get<std::string>();
    }
    return text;
}

}  // namespace ql
