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

/// Which method the weights are quantised by.
Status read_quantisation(const JsonFile & config, HfConfig & out) {
    if (!config.has("quantization_config")) return {};
    std::string method;
    if (!config.has_object("quantization_config")) return config.wrong("quantization_config", "must be an object");
    const JsonFile part = config.part("quantization_config");
    QL_TRY(part.text("quant_method", method, ""));
    out.bitsandbytes = method == "bitsandbytes";
    if (out.bitsandbytes) return {};
    if (method == "gptq" || method == "awq") {
        QL_ASSIGN(out.integers, read_packed_integers(part));
        return {};
    }
    return error(
        QL_UNSUPPORTED,
        "checkpoints quantised by '%.40s' (quantization_config) are not supported, those of bitsandbytes, GPTQ "
        "and AWQ are; use the unquantised one or a GGUF file",
        method.c_str());
}

}  // namespace

Status refuse_other_models(const JsonFile & config, HfConfig & out) {
    QL_TRY(read_quantisation(config, out));
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
