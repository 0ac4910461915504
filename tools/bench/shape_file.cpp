// A shape from a config.json, as models of Hugging Face have it.
#include <algorithm>
#include <filesystem>

#include "models/json/parse_json.hpp"
#include "tools/bench/model_shapes.hpp"
#include "tools/cli/stop.hpp"

namespace ql::cli {
namespace {

constexpr int64_t kMostLayers = 10000, kMostWidth = 1 << 20, kMostVocabulary = 1 << 24;
constexpr double kMostWeights = 1e12;  // of a tensor: sums over all of them stay whole numbers of 64 bits
constexpr size_t kMostFileBytes = 1 << 20;

/// model_type, the name in GGUF files, and the fields of experts.
struct Kind {
    const char *type, *architecture;
    const char *experts = nullptr, *experts_width = nullptr;  // the latter: null, it is the feed-forward network's
};
constexpr Kind kKinds[] = {{"llama", "llama"},
                           {"qwen2", "qwen2"},
                           {"qwen3", "qwen3"},
                           {"mixtral", "llama", "num_local_experts"},
                           {"qwen3_moe", "qwen3moe", "num_experts", "moe_intermediate_size"}};

/// Fields that change neither a shape nor the work.
constexpr const char * kHarmless[] = {
    "architectures",       "attention_dropout",    "bos_token_id",        "dtype",
    "eos_token_id",        "hidden_act",           "initializer_range",   "max_window_layers",
    "pad_token_id",        "pretraining_tp",       "rope_scaling",        "sliding_window",
    "torch_dtype",         "transformers_version", "use_cache",           "norm_topk_prob",
    "router_jitter_noise", "router_aux_loss_coef", "output_router_logits"};

class ShapeFile {
  public:
    explicit ShapeFile(const std::string & path) : path_(path) {
        auto json = read_json_object(path, {kMostFileBytes});
        check_input(json.status());
        json_ = std::move(json).value();
        for (const char * name : {"attention_bias", "mlp_bias", "use_sliding_window"})
            if (json_.contains(name) && json_[name] == false) json_.erase(name);
        if (json_.contains("decoder_sparse_step") && json_["decoder_sparse_step"] == 1)
            json_.erase("decoder_sparse_step");
        if (json_.contains("mlp_only_layers") && json_["mlp_only_layers"].empty()) json_.erase("mlp_only_layers");
        if (const auto types = json_.find("layer_types"); types != json_.end() && types->is_array())
            if (std::all_of(types->begin(), types->end(), [](const Json & t) { return t == "full_attention"; }))
                json_.erase(types);
    }

    ModelShape read() {
        ModelShape s{};
        s.name = std::filesystem::path(path_).stem().string();
        const Kind & kind = this->kind();
        s.architecture = kind.architecture;
        s.n_layer = size("num_hidden_layers", kMostLayers), s.n_embd = size("hidden_size", kMostWidth);
        s.n_head = size("num_attention_heads", kMostWidth);
        s.n_head_kv = size("num_key_value_heads", s.n_head, s.n_head);
        s.head_dim = size("head_dim", kMostWidth, s.n_embd / s.n_head);
        s.n_ff = size("intermediate_size", kMostWidth), s.n_vocab = size("vocab_size", kMostVocabulary);
        if (kind.experts) {
            s.experts.n = size(kind.experts, kMostWidth);
            s.experts.n_used = size("num_experts_per_tok", s.experts.n);
            s.experts.n_ff = kind.experts_width ? size(kind.experts_width, kMostWidth) : s.n_ff;
        }
        const double widest = static_cast<double>(std::max(s.n_ff, s.experts.n_ff)) * static_cast<double>(s.n_embd) *
                              static_cast<double>(std::max<int64_t>(s.experts.n, 1));
        if (widest > kMostWeights)
            bad_input("%s: a tensor of %.3g weights; at most %.3g are possible", path_.c_str(), widest, kMostWeights);
        s.tied = json_.contains("tie_word_embeddings") && flag("tie_word_embeddings");
        s.rope_base = number("rope_theta", 10000), s.rms_eps = number("rms_norm_eps", 1e-6);
        json_.erase("max_position_embeddings");  // every made model has kMadeContext
        for (const char * name : kHarmless) json_.erase(name);
        if (!json_.empty())
            bad_input("%s: make-model does not know what '%.60s' changes; without it a plain %s is made", path_.c_str(),
                      json_.begin().key().c_str(), s.architecture.c_str());
        check(s);
        return s;
    }

  private:
    static std::string types() {
        std::string names;
        for (const Kind & kind : kKinds) names += (names.empty() ? "" : ", ") + std::string(kind.type);
        return names;
    }
    const Kind & kind() {
        const Json type = take("model_type");
        const std::string name = type.is_string() ? type.get<std::string>() : "";
        const auto it =
            std::find_if(std::begin(kKinds), std::end(kKinds), [&](const Kind & k) { return name == k.type; });
        if (it == std::end(kKinds))
            bad_input("%s: model_type '%.60s' is not supported; %s are", path_.c_str(), name.c_str(), types().c_str());
        return *it;
    }
    Json take(const char * name) {
        const auto it = json_.find(name);
        if (it == json_.end()) return nullptr;
        Json value = *it;
        json_.erase(it);
        return value;
    }
    /// missing 0: the field is needed
    int64_t size(const char * name, int64_t most, int64_t missing = 0) {
        const Json value = take(name);
        if (value.is_null() && missing) return missing;
        if (!value.is_number_integer() || value < 1 || value > most)
            bad_input("%s: %s must be an integer from 1 to %lld", path_.c_str(), name, static_cast<long long>(most));
        return value.get<int64_t>();
    }
    double number(const char * name, double missing) {
        const Json value = take(name);
        if (value.is_null()) return missing;
        if (!value.is_number() || !(value.get<double>() > 0))
            bad_input("%s: %s must be a number above 0", path_.c_str(), name);
        return value.get<double>();
    }
    bool flag(const char * name) {
        const Json value = take(name);
        if (!value.is_boolean()) bad_input("%s: %s must be true or false", path_.c_str(), name);
        return value.get<bool>();
    }
    void check(const ModelShape & s) const {
        if (s.n_head % s.n_head_kv) bad_input("%s: num_key_value_heads must divide num_attention_heads", path_.c_str());
        if (s.head_dim % 2) bad_input("%s: head_dim must be even", path_.c_str());
        if (s.n_vocab < 260) bad_input("%s: vocab_size must be at least 260: bytes and special tokens", path_.c_str());
    }

    const std::string path_;
    Json json_;
};

}  // namespace

ModelShape read_model_shape(const std::string & path) {
    return ShapeFile(path).read();
}

}  // namespace ql::cli
