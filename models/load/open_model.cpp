#include "models/load/open_model.hpp"

#include <filesystem>

#include "models/files/file_fault.hpp"
#include "models/load/check_weights.hpp"
#include "models/load/convert_weights.hpp"
#include "models/load/find_architecture.hpp"
#include "models/load/loaders.hpp"
#include "models/model/base_identity.hpp"

namespace ql {
namespace {

Status check_tokenizer(const ModelParts & parts) {
    if (!parts.tokenizer) return {};
    const int64_t n = parts.tokenizer->n_tokens();
    if (n <= parts.hparams.n_vocab) return {};
    return error(QL_BAD_FILE, "%lld tokens in the vocabulary, but the embedding has %lld rows",
                 static_cast<long long>(n), static_cast<long long>(parts.hparams.n_vocab));
}

}  // namespace

Result<std::unique_ptr<Model>> open_model(const std::string & path, const ql_model_options & options) {
    QL_TRY(check_base_types(options));
    std::error_code ec;
    QL_ASSIGN(ModelParts parts, std::filesystem::is_directory(path, ec) ? load_hf_model(path) : load_gguf_model(path));
    QL_TRY(file_fault(path, parts.hparams.check()));
    QL_ASSIGN(const Architecture * const architecture, find_architecture(parts.hparams.arch));
    QL_TRY(file_fault(path, check_weights(parts, *architecture)));
    QL_TRY(file_fault(path, check_tokenizer(parts)));
    QL_ASSIGN(parts.identity, identify_base(parts.hparams.arch, parts.weights));
    std::vector<std::string> notes = parts.notes;
    if (parts.tokenizer) notes.insert(notes.end(), parts.tokenizer->notes().begin(), parts.tokenizer->notes().end());
    QL_TRY(file_fault(path, convert_weights(parts, options, notes)));
    return std::make_unique<Model>(path, std::move(parts), *architecture, std::move(notes));
}

}  // namespace ql
