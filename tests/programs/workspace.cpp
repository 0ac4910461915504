#include "programs/workspace.hpp"

#include <sstream>
#include <stdexcept>

#include "support/hf_folder.hpp"
#include "support/tiny_model.hpp"

namespace ql::test {

Workspace::Workspace(bool with_adapter) {
    write_tiny_model(path("model.gguf"));
    TinyModelOptions wide;
    wide.n_embd = 128;
    write_tiny_model(path("wide.gguf"), wide);
    TinyModelOptions other;
    other.arch = "mamba";
    write_tiny_model(path("arch.gguf"), other);
    TinyModelOptions nan;
    nan.nan_at = 70;
    write_tiny_model(path("nan.gguf"), nan);
    TinyModelOptions mute;
    mute.tokenizer = false;
    write_tiny_model(path("mute.gguf"), mute);
    write("data.jsonl", tiny_chats(24));
    write("broken.jsonl", tiny_chats(2) + "{\"messages\": [}\n" + tiny_chats(1));
    write("keys.jsonl", "{\"colour\": \"red\"}\n");
    write("text.txt", "It was a quiet morning in the town, and the and of the in the that. " + std::string(400, 'a'));
    write("empty", "");
    write("run.jsonl", "{\"step\":1,\"loss\":2.5}\n{\"step\":2,\"loss\":1.5}\n");
    write("magic", "This is no model but a text of some length, so that headers can be read.");
    std::filesystem::create_directory(path("folder"));
    std::filesystem::create_directory(path("hf"));
    write_hf_folder(path("hf"), "llama");
    if (!with_adapter) return;
    const ProcessResult r =
        run("ql-finetune",
            "-q -m {model.gguf} -d {data.jsonl} -o {adapter.gguf} --steps 1 --ctx 64 --grad-accum 1 --lora-r 4");
    std::filesystem::remove_all(path("adapter.gguf.ckpt"));
    if (r.code != 0) throw std::runtime_error("ql-finetune: " + r.err);
}

std::vector<std::string> Workspace::arguments(const std::string & line) const {
    std::vector<std::string> words;
    std::istringstream in(line);
    for (std::string word; in >> word;) {
        const size_t open = word.find('{'), close = word.find('}');
        if (open != word.npos && close != word.npos)
            word = word.substr(0, open) + path(word.substr(open + 1, close - open - 1)) + word.substr(close + 1);
        words.push_back(word);
    }
    return words;
}

std::map<std::string, size_t> Workspace::content() const {
    std::map<std::string, size_t> files;
    for (const auto & entry : std::filesystem::recursive_directory_iterator(folder_.path("")))
        files[entry.path().string()] =
            entry.is_regular_file() ? std::hash<std::string>()(read_all(entry.path().string())) : 0;
    return files;
}

}  // namespace ql::test
