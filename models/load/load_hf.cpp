// A Hugging Face model directory as ModelParts: config.json, one or several safetensors files, tokenizer, chat
// template.
#include "models/files/chat_template_file.hpp"
#include "models/load/hf_directory.hpp"
#include "models/load/hf_weights.hpp"
#include "models/load/loaders.hpp"

namespace ql {
namespace {

Status load(const std::string & path, ModelParts & parts) {
    QL_ASSIGN(HfDirectory directory, HfDirectory::open(path));
    parts.hparams = directory.model.hparams;
    parts.name = directory.name;
    HfWeights weights(directory.model, parts);
    for (SafeTensorsFile & opened : directory.files) QL_TRY(weights.add(opened));
    if (Status s = weights.finish(); !s.ok()) return error(s.code(), "%s: %s", path.c_str(), s.message().c_str());

    QL_ASSIGN(parts.chat_template, read_hf_chat_template(path));
    if (!has_hf_tokenizer(path)) return {};
    QL_ASSIGN(Tokenizer tokenizer, Tokenizer::from_hf(path));
    parts.tokenizer = std::make_unique<Tokenizer>(std::move(tokenizer));
    return {};
}

}  // namespace

Result<ModelParts> load_hf_model(const std::string & directory) {
    ModelParts parts;
    QL_TRY(load(directory, parts));
    return parts;
}

}  // namespace ql
