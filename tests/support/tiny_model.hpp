// A complete llama-type model of a few hundred kilobytes for tests: random weights, a byte-level tokenizer and a ChatML
// template, written with the C GGUF writer. The same options give the same file on every machine.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "common/philox.hpp"
#include "ql/gguf.h"

namespace ql::test {

struct TinyModelOptions {
    std::string arch = "llama";
    int64_t n_layer = 2, n_embd = 64, n_ff = 128, n_head = 4, n_head_kv = 2, n_ctx = 256;
    bool tied = true;         // no output.weight
    bool tokenizer = true;    // without: a model that has no vocabulary of its own
    ql_dtype dtype = QL_F32;  // of the block matrices; embedding and head stay f32, norms too
    uint32_t seed = 1;
    float value_scale = 1;                       // times the weights that make attention's values
    float norm_scale = 1;                        // times the weights of the blocks' first norms
    float nan_at = -1;                           // >= 0: writes a NaN to the first block matrix, for error messages
    int64_t nan_token = -1;                      // >= 0: its embedding is NaN; so is the head's row if `tied`
    std::function<void(ql_gguf_writer *)> more;  // further keys and tensors, or other values of keys
};

namespace tiny {

/// U+00XX as UTF-8, or the byte itself below 0x80.
inline std::string utf8(uint32_t c) {
    if (c < 0x80) return std::string(1, static_cast<char>(c));
    return {static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 0x3F))};
}

/// The 256 characters that stand for bytes in byte-level BPE vocabularies: printable ones for themselves, the others
/// from U+0100 upwards in their order.
inline std::vector<std::string> byte_tokens() {
    std::vector<std::string> tokens;
    uint32_t next = 0x100;
    for (uint32_t b = 0; b < 256; ++b) {
        const bool printable = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
        tokens.push_back(utf8(printable ? b : next++));
    }
    return tokens;
}

/// Merges of frequent English pairs, so that tokens of several bytes and a merge of a merge occur.
inline std::vector<std::string> merges() {
    const std::string space = utf8(0x120);  // how a blank is written
    std::vector<std::string> m = {"t h", "i n", "e r", "a n",  "o n",  "r e", "a t",
                                  "e n", "o r", "e s", "th e", "in g", "an d"};
    for (const char * s : {"t", "a", "s", "w", "c", "b", "the", "in", "o", "f", "m", "p", "and", "d", "h"})
        m.push_back(space + " " + s);
    for (const char * s : {"o u", "l l", "a r", "i s", "i t", "s t", "l e", "v e", "s e", "c o", "m e", "1 0", "2 0"})
        m.push_back(s);
    return m;
}

constexpr const char * kTemplate =
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + "
    "'\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

class Writer {
  public:
    explicit Writer(const TinyModelOptions & o) : o_(o) { check(ql_gguf_writer_create(&w_)); }
    ~Writer() { ql_gguf_writer_free(w_); }
    Writer(const Writer &) = delete;
    Writer & operator=(const Writer &) = delete;

    void write(const std::string & path) {
        text("general.architecture", o_.arch);
        text("general.type", "model");
        text("general.name", "tiny");
        if (o_.tokenizer) n_vocab_ = vocabulary();
        hparams();
        tensors();
        if (o_.more) o_.more(w_);
        check(ql_gguf_write(w_, path.c_str()));
    }

  private:
    static void check(ql_status s) {
        if (s != QL_OK) throw std::runtime_error(std::string("tiny model: ") + ql_error_message());
    }
    void text(const std::string & key, const std::string & v) {
        check(ql_gguf_set_string(w_, key.c_str(), v.data(), v.size()));
    }
    void number(const std::string & key, int64_t v) { check(ql_gguf_set_int(w_, key.c_str(), QL_GGUF_U32, v)); }
    void texts(const char * key, const std::vector<std::string> & list) {
        std::vector<ql_gguf_string> refs;
        for (const std::string & s : list) refs.push_back({s.data(), s.size()});
        check(ql_gguf_set_strings(w_, key, refs.data(), static_cast<int64_t>(refs.size())));
    }

    int64_t vocabulary() {
        std::vector<std::string> tokens = byte_tokens();
        for (std::string m : merges()) tokens.push_back(m.erase(m.find(' '), 1));
        std::vector<int32_t> types(tokens.size(), 1);
        const auto first_special = static_cast<int64_t>(tokens.size());
        for (const char * s : {"<|endoftext|>", "<|im_start|>", "<|im_end|>"})
            tokens.emplace_back(s), types.push_back(3);
        text("tokenizer.ggml.model", "gpt2");
        text("tokenizer.ggml.pre", "gpt-2");
        texts("tokenizer.ggml.tokens", tokens);
        texts("tokenizer.ggml.merges", merges());
        check(ql_gguf_set_array(w_, "tokenizer.ggml.token_type", QL_GGUF_I32, types.data(),
                                static_cast<int64_t>(types.size())));
        number("tokenizer.ggml.bos_token_id", first_special + 1);
        number("tokenizer.ggml.eos_token_id", first_special + 2);
        number("tokenizer.ggml.padding_token_id", first_special);
        check(ql_gguf_set_bool(w_, "tokenizer.ggml.add_bos_token", 0));
        text("tokenizer.chat_template", kTemplate);
        return static_cast<int64_t>(tokens.size());
    }

    void hparams() {
        const std::string a = o_.arch + ".";
        number(a + "block_count", o_.n_layer);
        number(a + "context_length", o_.n_ctx);
        number(a + "embedding_length", o_.n_embd);
        number(a + "feed_forward_length", o_.n_ff);
        number(a + "attention.head_count", o_.n_head);
        number(a + "attention.head_count_kv", o_.n_head_kv);
        number(a + "rope.dimension_count", o_.n_embd / o_.n_head);
        number(a + "vocab_size", n_vocab_);
        check(ql_gguf_set_f32(w_, (a + "attention.layer_norm_rms_epsilon").c_str(), 1e-5f));
        check(ql_gguf_set_f32(w_, (a + "rope.freq_base").c_str(), 10000.0f));
    }

    /// Uniform in [-range, range] around a mean, keyed by the tensor's number.
    std::vector<float> values(int64_t n, float mean, float range) {
        std::vector<float> v(static_cast<size_t>(n));
        for (size_t i = 0; i < v.size(); i += 4) {
            const PhiloxCounter r = philox4x32({static_cast<uint32_t>(i), n_tensors_, 0, 0}, {o_.seed, 0x7117});
            for (size_t j = 0; j < 4 && i + j < v.size(); ++j)
                v[i + j] = mean + range * (static_cast<float>(r[j] >> 8) * 0x1p-23f - 1.0f);
        }
        ++n_tensors_;
        return v;
    }
    void add(const std::string & name, ql_dtype dtype, std::vector<int64_t> ne, const std::vector<float> & v) {
        const auto n = static_cast<int64_t>(v.size());
        bytes_.emplace_back(ql_dtype_bytes(dtype, n));
        check(ql_encode(dtype, v.data(), n, bytes_.back().data()));
        check(
            ql_gguf_add_tensor(w_, name.c_str(), dtype, static_cast<int>(ne.size()), ne.data(), bytes_.back().data()));
    }
    void norm(const std::string & name) {
        std::vector<float> v = values(o_.n_embd, 1.0f, 0.1f);
        if (name.ends_with("attn_norm.weight"))
            for (float & x : v) x *= o_.norm_scale;
        add(name, QL_F32, {o_.n_embd}, v);
    }
    void matrix(const std::string & name, ql_dtype dtype, int64_t in, int64_t out) {
        std::vector<float> v = values(in * out, 0, 1.7f / std::sqrt(static_cast<float>(in)));
        if (name.ends_with("attn_v.weight"))
            for (float & x : v) x *= o_.value_scale;
        if (o_.nan_at >= 0 && name == "blk.0.attn_q.weight") v[static_cast<size_t>(o_.nan_at)] = NAN;
        if (o_.nan_token >= 0 && name == "token_embd.weight") std::fill_n(v.begin() + o_.nan_token * in, in, NAN);
        add(name, dtype, {in, out}, v);
    }
    void tensors() {
        const int64_t kv = o_.n_embd / o_.n_head * o_.n_head_kv;
        matrix("token_embd.weight", QL_F32, o_.n_embd, n_vocab_);
        for (int64_t i = 0; i < o_.n_layer; ++i) {
            const std::string b = "blk." + std::to_string(i) + ".";
            norm(b + "attn_norm.weight");
            matrix(b + "attn_q.weight", o_.dtype, o_.n_embd, o_.n_embd);
            matrix(b + "attn_k.weight", o_.dtype, o_.n_embd, kv);
            matrix(b + "attn_v.weight", o_.dtype, o_.n_embd, kv);
            matrix(b + "attn_output.weight", o_.dtype, o_.n_embd, o_.n_embd);
            norm(b + "ffn_norm.weight");
            matrix(b + "ffn_gate.weight", o_.dtype, o_.n_embd, o_.n_ff);
            matrix(b + "ffn_up.weight", o_.dtype, o_.n_embd, o_.n_ff);
            matrix(b + "ffn_down.weight", o_.dtype, o_.n_ff, o_.n_embd);
        }
        norm("output_norm.weight");
        if (!o_.tied) matrix("output.weight", QL_F32, o_.n_embd, n_vocab_);
    }

    TinyModelOptions o_;
    ql_gguf_writer * w_ = nullptr;
    int64_t n_vocab_ = 300;
    uint32_t n_tensors_ = 0;
    std::deque<std::vector<std::byte>> bytes_;  // tensors are borrowed until the file is written
};

}  // namespace tiny

/// Writes the model; throws std::runtime_error with the library's message on failure. Returns the path.
inline std::string write_tiny_model(const std::string & path, const TinyModelOptions & options = {}) {
    tiny::Writer(options).write(path);
    return path;
}

/// `n` short chats in the `messages` form, one a line: easy to learn, of varied length.
inline std::string tiny_chats(int n) {
    static const char * const things[] = {"tea", "bread", "the red hat", "a map", "two pens", "salt"};
    std::string lines;
    for (int i = 0; i < n; ++i) {
        const std::string thing = things[i % 6], count = std::to_string(i % 10);
        lines += R"({"messages": [{"role": "user", "content": "Order )" + count + " " + thing +
                 R"("}, {"role": "assistant", "content": ")" + thing + " x" + count + "\"}]}\n";
    }
    return lines;
}

}  // namespace ql::test
