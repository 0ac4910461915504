// A golden Hugging Face model (tests/golden/arch) in a folder of the test's own, with a tokenizer of single characters.
#pragma once
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "support/shared.hpp"
#include "support/temporary_folder.hpp"

namespace ql::test {

using Json = nlohmann::ordered_json;

/// Token 3 is a space, token 4 + i the i-th printable character, as far as there is room; "ab" and "abc" are merged; n
/// tokens in all.
inline Json character_tokenizer(int64_t n) {
    Json vocab = {{"<unk>", 0}, {"<s>", 1}, {"</s>", 2}, {"\xe2\x96\x81", 3}};
    for (char c = '!'; c <= '~' && static_cast<int64_t>(vocab.size()) + 2 < n; ++c)
        vocab[std::string(1, c)] = vocab.size();
    for (const char * merged : {"ab", "abc"}) vocab[merged] = vocab.size();
    while (static_cast<int64_t>(vocab.size()) < n) {
        const size_t id = vocab.size();
        vocab["<unused" + std::to_string(id) + ">"] = id;
    }
    Json added = Json::array();
    for (const char * text : {"<unk>", "<s>", "</s>"})
        added.push_back({{"id", vocab[text]}, {"content", text}, {"special", true}});
    return {{"added_tokens", added},
            {"pre_tokenizer", {{"type", "Metaspace"}, {"prepend_scheme", "never"}, {"split", false}}},
            {"decoder", {{"type", "Metaspace"}, {"prepend_scheme", "never"}, {"split", false}}},
            {"model",
             {{"type", "BPE"}, {"unk_token", "<unk>"}, {"vocab", vocab}, {"merges", Json::array({"a b", "ab c"})}}}};
}

inline void write_json(const std::string & path, const Json & json) {
    std::ofstream(path, std::ios::binary) << json.dump();
}

/// The model's files into a folder that is there. Returns config.json.
inline Json write_hf_folder(const std::string & folder, const std::string & golden) {
    for (const char * name : {"/config.json", "/model.safetensors"})
        std::filesystem::copy(golden_path("arch/" + golden + name), folder + name);
    const Json config = Json::parse(read_all(folder + "/config.json"));
    write_json(folder + "/tokenizer.json", character_tokenizer(config["vocab_size"]));
    write_json(folder + "/tokenizer_config.json",
               {{"bos_token", "<s>"}, {"eos_token", "</s>"}, {"unk_token", "<unk>"}, {"add_bos_token", true}});
    std::ofstream(folder + "/chat_template.jinja") << "{% for m in messages %}{{ m.content }}{% endfor %}";
    return config;
}

class HfFolder {
  public:
    explicit HfFolder(const std::string & golden) : config(write_hf_folder(folder.path(""), golden)) {}
    std::string path(const std::string & name = "") const { return folder.path(name); }
    void write(const std::string & name, const Json & json) const { write_json(path(name), json); }
    void write_config() const { write("config.json", config); }

    TemporaryFolder folder;
    Json config;
};

}  // namespace ql::test
