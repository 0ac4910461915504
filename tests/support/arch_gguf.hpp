// A golden Hugging Face model (tests/golden/arch) as a GGUF file, with the keys that upstream's converter writes and a
// vocabulary of single characters.
#pragma once
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "models/files/weight_names.hpp"
#include "models/model/architecture.hpp"
#include "models/model/model.hpp"
#include "ql/gguf.h"

namespace ql::test {

/// The golden models that the keys below describe: not those whose windows GGUF files do not name (qwen2_yarn's upper layers).
inline constexpr const char * kGgufGoldens[] = {"llama",   "llama3_rope", "mistral_window", "qwen2",         "qwen3",
                                                "gemma2",  "gemma3",      "phi3",           "phi3_longrope", "smollm3",
                                                "granite", "olmo2",       "glm4",           "ministral3"};

class ArchGgufWriter {
  public:
    /// The model stays until the file is written: its weights are borrowed.
    explicit ArchGgufWriter(const Model & model) : model_(model), arch_(model.hparams().arch + ".") {
        EXPECT_EQ(ql_gguf_writer_create(&w_), QL_OK);
        text("general.architecture", model.hparams().arch);
        text("general.name", "golden");
        shape();
        numbers();
        windows();
    }
    ~ArchGgufWriter() { ql_gguf_writer_free(w_); }
    ArchGgufWriter(const ArchGgufWriter &) = delete;
    ArchGgufWriter & operator=(const ArchGgufWriter &) = delete;

    void text(const std::string & key, const std::string & v) {
        EXPECT_EQ(ql_gguf_set_string(w_, key.c_str(), v.data(), v.size()), QL_OK);
    }
    void number(const std::string & key, int64_t v) {
        EXPECT_EQ(ql_gguf_set_int(w_, (arch_ + key).c_str(), QL_GGUF_U32, v), QL_OK);
    }
    void real(const std::string & key, float v) { EXPECT_EQ(ql_gguf_set_f32(w_, (arch_ + key).c_str(), v), QL_OK); }

    /// What no GGUF file holds as a tensor.
    bool follows_from_keys(const Weight & w) const {
        return w.name == "position_factors.weight" ||
               (w.name == model_.hparams().rope.factors && model_.hparams().arch == "mistral3");
    }
    void add_weights() {
        for (const Weight & w : model_.weights())
            if (!follows_from_keys(w)) add(w.name, w.n_dims, w.ne, w.data);
    }
    void add(const std::string & name, int n_dims, const int64_t * ne, const void * data, ql_dtype dtype = QL_F32) {
        EXPECT_EQ(ql_gguf_add_tensor(w_, name.c_str(), dtype, n_dims, ne, data), QL_OK) << ql_error_message();
    }

    /// Token i of the printable characters is 3 + i; the others have names that no text has.
    void vocabulary() {
        std::vector<std::string> tokens = {"<unk>", "<s>", "</s>", "\xe2\x96\x81"};
        for (char c = '!'; c <= '~'; ++c) tokens.emplace_back(1, c);
        while (static_cast<int64_t>(tokens.size()) < model_.hparams().n_vocab)
            tokens.push_back("<unused" + std::to_string(tokens.size()) + ">");
        std::vector<float> scores;
        std::vector<int32_t> types;
        std::vector<ql_gguf_string> views;
        for (size_t i = 0; i < tokens.size(); ++i) {
            views.push_back({tokens[i].data(), tokens[i].size()});
            scores.push_back(-static_cast<float>(i));
            types.push_back(i == 0 ? 2 : i < 3 ? 3 : 1);
        }
        const auto n = static_cast<int64_t>(tokens.size());
        text("tokenizer.ggml.model", "llama");
        text("tokenizer.ggml.pre", "default");
        EXPECT_EQ(ql_gguf_set_strings(w_, "tokenizer.ggml.tokens", views.data(), n), QL_OK);
        EXPECT_EQ(ql_gguf_set_array(w_, "tokenizer.ggml.scores", QL_GGUF_F32, scores.data(), n), QL_OK);
        EXPECT_EQ(ql_gguf_set_array(w_, "tokenizer.ggml.token_type", QL_GGUF_I32, types.data(), n), QL_OK);
        for (const auto & [key, id] :
             std::map<std::string, int64_t>{{"bos_token_id", 1}, {"eos_token_id", 2}, {"unknown_token_id", 0}})
            EXPECT_EQ(ql_gguf_set_int(w_, ("tokenizer.ggml." + key).c_str(), QL_GGUF_U32, id), QL_OK);
        EXPECT_EQ(ql_gguf_set_bool(w_, "tokenizer.ggml.add_bos_token", 1), QL_OK);
        EXPECT_EQ(ql_gguf_set_bool(w_, "tokenizer.ggml.add_space_prefix", 0), QL_OK);
    }

    std::string write(const std::string & path) {
        EXPECT_EQ(ql_gguf_write(w_, path.c_str()), QL_OK) << ql_error_message();
        return path;
    }

  private:
    void shape() {
        const Hparams & h = model_.hparams();
        const std::pair<const char *, int64_t> counts[] = {{"block_count", h.n_layer()},
                                                           {"context_length", h.n_ctx},
                                                           {"embedding_length", h.n_embd},
                                                           {"feed_forward_length", h.layer(0).n_ff},
                                                           {"attention.head_count", h.layer(0).n_head},
                                                           {"attention.head_count_kv", h.layer(0).n_head_kv},
                                                           {"attention.key_length", h.head_dim},
                                                           {"attention.value_length", h.head_dim},
                                                           {"rope.dimension_count", h.rope.n_rot},
                                                           {"vocab_size", h.n_vocab}};
        for (const auto & [key, value] : counts) number(key, value);
        real("attention.layer_norm_rms_epsilon", h.rms_eps);
        real("rope.freq_base", h.rope.base);
    }
    void numbers() {
        const Hparams & h = model_.hparams();
        if (h.arch == "granite") {
            real("attention.scale", h.attention_scale);
            real("embedding_scale", h.embedding_scale);
            real("residual_scale", h.residual_scale);
            real("logit_scale", 1 / h.logit_scale);
        }
        if (h.attention_cap != kNoCap) real("attn_logit_softcapping", h.attention_cap);
        if (h.logit_cap != kNoCap) real("final_logit_softcapping", h.logit_cap);
    }
    void windows() {
        const Hparams & h = model_.hparams();
        if (h.layer(0).window > 0) number("attention.sliding_window", h.layer(0).window);
        if (h.layer(0).rope == LayerRope::local) real("rope.freq_base_swa", h.local_rope.base);
    }

    const Model & model_;
    const std::string arch_;
    ql_gguf_writer * w_ = nullptr;
};

/// What the keys above do not say of a golden model: how its rope is scaled.
inline void add_rope_scaling(const std::string & golden, ArchGgufWriter & w) {
    if (golden == "phi3_longrope") {
        w.text("phi3.rope.scaling.type", "longrope");
        w.number("rope.scaling.original_context_length", 32);
        w.real("rope.scaling.attn_factor", 1.18321596f);  // sqrt(1 + ln 4 / ln 32)
    }
    if (golden == "ministral3") {
        w.text("mistral3.rope.scaling.type", "yarn");
        w.real("rope.scaling.factor", 4);
        w.number("rope.scaling.original_context_length", 16);
        w.real("rope.scaling.yarn_beta_fast", 32);
        w.real("rope.scaling.yarn_beta_slow", 1);
        w.real("rope.scaling.yarn_log_multiplier", 1);
        w.real("attention.temperature_scale", 0.1f);
    }
}

}  // namespace ql::test
