// The 260,032-parameter story teller, brought from llama2.c's checkpoint and tokenizer to GGUF.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "ql/ql.h"
#include "support/shared.hpp"
#include "support/temporary_folder.hpp"

namespace ql::test {

/// Values of a little-endian file, one after the other.
class Bytes {
  public:
    explicit Bytes(const std::string & path) : data_(read_all(path)) {}
    bool done() const { return at_ >= data_.size(); }
    template <typename T>
    T take() {
        T value{};
        const std::string bytes = text(sizeof(T));
        std::memcpy(&value, bytes.data(), bytes.size());
        return value;
    }
    std::vector<float> floats(int64_t n) {
        const std::string bytes = text(static_cast<size_t>(n) * sizeof(float));
        std::vector<float> values(static_cast<size_t>(n));
        std::memcpy(values.data(), bytes.data(), bytes.size());
        return values;
    }
    std::string text(size_t n) {
        if (at_ + n > data_.size()) ADD_FAILURE() << "the file ends early";
        const std::string part = data_.substr(std::min(at_, data_.size()), n);
        at_ += n;
        return part;
    }

  private:
    std::string data_;
    size_t at_ = 0;
};

/// llama2.c's checkpoint and tokenizer -> a GGUF file. llama2.c's rope pairs neighbours, as GGUF's order of rows does.
class StoriesGguf {
  public:
    StoriesGguf(const std::string & checkpoint, const std::string & tokenizer) {
        EXPECT_EQ(ql_gguf_writer_create(&writer_), QL_OK);
        weights(Bytes(checkpoint));
        vocabulary(Bytes(tokenizer));
    }
    ~StoriesGguf() { ql_gguf_writer_free(writer_); }
    StoriesGguf(const StoriesGguf &) = delete;
    StoriesGguf & operator=(const StoriesGguf &) = delete;

    void write(const std::string & path) {
        EXPECT_EQ(ql_gguf_write(writer_, path.c_str()), QL_OK) << ql_error_message();
    }

  private:
    void text(const char * key, const std::string & v) {
        EXPECT_EQ(ql_gguf_set_string(writer_, key, v.data(), v.size()), QL_OK);
    }
    void number(const char * key, int64_t v) { EXPECT_EQ(ql_gguf_set_int(writer_, key, QL_GGUF_U32, v), QL_OK); }
    void array(const char * key, ql_gguf_type type, const void * v, size_t n) {
        EXPECT_EQ(ql_gguf_set_array(writer_, key, type, v, static_cast<int64_t>(n)), QL_OK);
    }

    void add(const std::string & name, std::vector<int64_t> ne, Bytes & from) {
        int64_t n = 1;
        for (const int64_t e : ne) n *= e;
        tensors_.push_back(std::make_unique<std::vector<float>>(from.floats(n)));
        EXPECT_EQ(ql_gguf_add_tensor(writer_, name.c_str(), QL_F32, static_cast<int>(ne.size()), ne.data(),
                                     tensors_.back()->data()),
                  QL_OK);
    }

    /// The checkpoint holds each kind of matrix for all layers together; the rope tables behind them are not needed.
    void weights(Bytes file) {
        const auto dim = file.take<int32_t>(), hidden = file.take<int32_t>(), n_layer = file.take<int32_t>(),
                   n_head = file.take<int32_t>();
        const auto n_head_kv = file.take<int32_t>(), n_vocab = file.take<int32_t>(), n_ctx = file.take<int32_t>();
        const int64_t kv = dim / n_head * n_head_kv;
        text("general.architecture", "llama");
        number("llama.block_count", n_layer);
        number("llama.context_length", n_ctx);
        number("llama.embedding_length", dim);
        number("llama.feed_forward_length", hidden);
        number("llama.attention.head_count", n_head);
        number("llama.attention.head_count_kv", n_head_kv);
        EXPECT_EQ(ql_gguf_set_f32(writer_, "llama.attention.layer_norm_rms_epsilon", 1e-5f), QL_OK);
        const auto layers = [&](const std::string & name, const std::vector<int64_t> & ne) {
            for (int i = 0; i < n_layer; ++i) add("blk." + std::to_string(i) + "." + name + ".weight", ne, file);
        };
        add("token_embd.weight", {dim, n_vocab}, file);
        layers("attn_norm", {dim});
        layers("attn_q", {dim, dim});
        layers("attn_k", {dim, kv});
        layers("attn_v", {dim, kv});
        layers("attn_output", {dim, dim});
        layers("ffn_norm", {dim});
        layers("ffn_gate", {dim, hidden});
        layers("ffn_down", {hidden, dim});
        layers("ffn_up", {dim, hidden});
        add("output_norm.weight", {dim}, file);
    }

    /// llama2.c's pieces hold a space as it is, GGUF's hold U+2581; llama2.c frames its BOS and EOS with newlines.
    void vocabulary(Bytes file) {
        std::vector<std::string> tokens;
        std::vector<float> scores;
        std::vector<int32_t> types;
        (void)file.take<int32_t>();  // the longest piece
        while (!file.done()) {
            scores.push_back(file.take<float>());
            const auto size = file.take<int32_t>();
            std::string piece = file.text(static_cast<size_t>(size));
            const size_t id = tokens.size();
            if (id == 1 || id == 2) piece = piece.substr(1, piece.size() - 2);
            for (size_t at = 0; (at = piece.find(' ', at)) != piece.npos; at += 3) piece.replace(at, 1, "\u2581");
            types.push_back(id == 0 ? 2 : id <= 2 ? 3 : id < 259 ? 6 : 1);  // unknown, control, byte, normal
            tokens.push_back(std::move(piece));
        }
        std::vector<ql_gguf_string> refs;
        for (const std::string & t : tokens) refs.push_back({t.data(), t.size()});
        text("tokenizer.ggml.model", "llama");
        EXPECT_EQ(ql_gguf_set_strings(writer_, "tokenizer.ggml.tokens", refs.data(), static_cast<int64_t>(refs.size())),
                  QL_OK);
        array("tokenizer.ggml.scores", QL_GGUF_F32, scores.data(), scores.size());
        array("tokenizer.ggml.token_type", QL_GGUF_I32, types.data(), types.size());
        number("tokenizer.ggml.bos_token_id", 1);
        number("tokenizer.ggml.eos_token_id", 2);
        EXPECT_EQ(ql_gguf_set_bool(writer_, "tokenizer.ggml.add_bos_token", 1), QL_OK);
        EXPECT_EQ(ql_gguf_set_bool(writer_, "tokenizer.ggml.add_space_prefix", 1), QL_OK);
    }

    ql_gguf_writer * writer_ = nullptr;
    std::vector<std::unique_ptr<std::vector<float>>> tensors_;  // borrowed until the file is written
};

/// Writes the model if its two source files exist; returns false if they do not.
inline bool write_stories(const std::string & path) {
    const auto checkpoint = shared_path("data/stories260K/stories260K.bin"),
               tokenizer = shared_path("data/stories260K/tok512.bin");
    if (!checkpoint || !tokenizer) return false;
    StoriesGguf(*checkpoint, *tokenizer).write(path);
    return true;
}

}  // namespace ql::test
