#include "models/hf/config.hpp"

namespace ql {
namespace {

/// A class of another head or of no causal order computes something else with the same weights.
Status check_classes(const JsonFile & config) {
    if (!config.has("architectures")) return {};
    if (!config.at("architectures").is_array()) return config.wrong("architectures", "must be a list");
    for (const Json & name : config.at("architectures")) {
        const std::string text = name.is_string() ? name.get<std::string>() : "";
        if (!text.ends_with("ForCausalLM"))
            return error(QL_UNSUPPORTED, "architectures: '%.60s' is not supported, only classes ...ForCausalLM are",
                         text.c_str());
    }
    return {};
}

}  // namespace

Status refuse_other_models(const JsonFile & config) {
    if (config.has("quantization_config"))
        return error(
            QL_UNSUPPORTED,
            "quantised checkpoints (quantization_config) are not supported; use the unquantised one or a GGUF file");
    if (config.has("quantization"))
        return error(QL_UNSUPPORTED,
                     "this is a quantised MLX directory (quantization), which is not supported; use the unquantised "
                     "model or a GGUF file");
    return check_classes(config);
}

Status read_head(const JsonFile & config, HfConfig & out) {
    if (!config.has("tie_word_embeddings")) return {};
    bool tied = false;
    QL_TRY(config.flag("tie_word_embeddings", tied));
    out.head = tied ? HfConfig::Head::tied : HfConfig::Head::separate;
    return {};
}

}  // namespace ql
