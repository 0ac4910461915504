// The keys of the GGUF file that a Hugging Face directory becomes.
#pragma once
#include <string>
#include <vector>

#include "models/load/read_hf_config.hpp"
#include "models/text/vocab.hpp"
#include "ql/gguf.h"

namespace ql {

/// What the keys say, read from the directory.
struct ModelKeys {
    std::string name;
    const HfModel * model = nullptr;
    int64_t n_weights = 0;
    bool has_tokenizer = false;
    Vocab vocab;
    std::string chat_template;  // "" for none
    /// general.sampling.* by key: how generation_config.json says that text is drawn.
    std::vector<std::pair<const char *, double>> sampling;

    /// Reads all but name, model and n_weights.
    Status read(const std::string & directory);
    Status write(ql_gguf_writer * w, std::vector<std::string> & notes) const;
};

}  // namespace ql
