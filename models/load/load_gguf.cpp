// A GGUF model file: shape from its keys, weights mapped in place.
#include "models/files/file_fault.hpp"
#include "models/files/gguf_keys.hpp"
#include "models/load/find_architecture.hpp"
#include "models/load/loaders.hpp"
#include "models/load/made_weights.hpp"
#include "models/load/weight_scales.hpp"
#include "ql/ql.hpp"

namespace ql {
namespace {

Status check_is_model(const GgufKeys & general, const std::string & path) {
    std::string type;
    QL_TRY(general.text("type", type, "model"));
    if (type == "model") return {};
    return error(QL_BAD_FILE, "%s: holds %s '%s', not a model", path.c_str(), type == "adapter" ? "an" : "a",
                 type.c_str());
}

Status read_vocabulary_size(const ql_gguf * file, Hparams & h) {
    ql_gguf_tensor t{};
    QL_TRY(ql_gguf_find_tensor(file, "token_embd.weight", &t));
    h.n_vocab = t.ne[1];
    return {};
}

}  // namespace

Result<std::vector<Weight>> gguf_weights(const ql_gguf * file) {
    std::vector<Weight> weights;
    for (int64_t i = 0; i < ql_gguf_n_tensors(file); ++i) {
        ql_gguf_tensor t{};
        QL_TRY(ql_gguf_tensor_at(file, i, &t));
        weights.push_back({t.name, t.dtype, t.n_dims, {t.ne[0], t.ne[1], t.ne[2], t.ne[3]}, t.data, t.size});
    }
    QL_TRY(take_scales(weights));
    return weights;
}

Result<ModelParts> load_gguf_model(const std::string & path) {
    ModelParts parts;
    QL_TRY(ql_gguf_open(path.c_str(), out(parts.file)));
    const ql_gguf * file = parts.file.get();

    const GgufKeys general(file, "general");
    QL_TRY(check_is_model(general, path));
    QL_TRY(general.text("architecture", parts.hparams.arch));
    QL_TRY(general.text("name", parts.name, ""));
    QL_ASSIGN(const Architecture * architecture, find_architecture(parts.hparams.arch));
    QL_TRY(file_fault(path, architecture->read_hparams(file, parts.hparams)));
    QL_TRY(read_vocabulary_size(file, parts.hparams));
    QL_TRY(GgufKeys(file, "tokenizer").text("chat_template", parts.chat_template, ""));
    if (ql_gguf_has_key(file, "tokenizer.ggml.model")) {
        QL_ASSIGN(Tokenizer tokenizer, Tokenizer::from_gguf(file));
        parts.tokenizer = std::make_unique<Tokenizer>(std::move(tokenizer));
    }
    auto weights = gguf_weights(file);
    QL_TRY(file_fault(path, weights.status()));
    parts.weights = std::move(weights).value();
    QL_TRY(file_fault(path, add_made_weights(parts)));
    return parts;
}

}  // namespace ql
