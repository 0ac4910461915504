#include "models/convert/model_keys.hpp"

#include <cmath>

#include "models/files/chat_template_file.hpp"
#include "models/files/gguf_key_writer.hpp"
#include "models/files/json_file.hpp"
#include "models/load/hf_directory.hpp"
#include "models/text/vocab_gguf.hpp"

namespace ql {
namespace {

/// A field of generation_config.json and its key. top_k is a whole number.
constexpr std::pair<const char *, const char *> kSampling[] = {{"temperature", "sampling.temp"},
                                                               {"top_k", "sampling.top_k"},
                                                               {"top_p", "sampling.top_p"},
                                                               {"min_p", "sampling.min_p"},
                                                               {"repetition_penalty", "sampling.penalty_repeat"}};

bool is_whole(std::string_view key) {
    return key == "sampling.top_k";
}

Status read_sampling(const std::string & directory, std::vector<std::pair<const char *, double>> & sampling) {
    const auto file = JsonFile::open(directory + "/generation_config.json");
    if (!file.ok() && file.code() == QL_NOT_FOUND) return {};
    QL_TRY(file.status());
    bool draws = false;
    QL_TRY(file->flag("do_sample", draws, false));
    for (const auto & [field, key] : kSampling) {
        if (!draws || !file->has(field)) continue;
        double value = 0;
        QL_TRY(file->number(field, value));
        if (value < 0 || value > 1e6) return file->wrong(field, "must be between 0 and a million");
        sampling.emplace_back(key, value);
    }
    return {};
}

/// "135M", "1.5B": two digits at least.
std::string size_label(int64_t n) {
    constexpr std::pair<double, const char *> kUnits[] = {{1e12, "T"}, {1e9, "B"}, {1e6, "M"}, {1e3, "K"}};
    for (const auto & [unit, letter] : kUnits) {
        const double value = static_cast<double>(n) / unit;
        if (value < 1 && unit > 1e3) continue;
        const long long tenths = std::llround(value * 10);
        if (tenths >= 100) return std::to_string(std::llround(value)) + letter;
        return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + letter;
    }
    return "";
}

}  // namespace

Status ModelKeys::read(const std::string & directory) {
    QL_ASSIGN(chat_template, read_hf_chat_template(directory));
    QL_TRY(read_sampling(directory, sampling));
    has_tokenizer = has_hf_tokenizer(directory);
    if (!has_tokenizer) return {};
    QL_ASSIGN(vocab, vocab_from_hf(directory));
    return {};
}

Status ModelKeys::write(ql_gguf_writer * w, std::vector<std::string> & notes) const {
    const GgufKeyWriter general(w, "general");
    QL_TRY(general.text("architecture", model->architecture->name()));
    QL_TRY(general.text("type", "model"));
    for (const auto & [key, value] : sampling)
        QL_TRY(is_whole(key)
                   ? ql_gguf_set_int(w, ("general." + std::string(key)).c_str(), QL_GGUF_I32, std::llround(value))
                   : general.number(key, value).code());
    QL_TRY(general.text("name", name));
    QL_TRY(general.text("size_label", size_label(n_weights)));
    QL_TRY(model->architecture->write_hparams(model->hparams, model->config,
                                              GgufKeyWriter(w, model->architecture->name())));
    if (!chat_template.empty()) QL_TRY(GgufKeyWriter(w, "tokenizer").text("chat_template", chat_template));
    return has_tokenizer ? vocab_to_gguf(vocab, model->hparams.n_vocab, w, notes) : Status();
}

}  // namespace ql
