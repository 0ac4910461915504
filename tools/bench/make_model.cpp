// ql-bench make-model: a whole GGUF of random weights, of the Llama, Qwen or Gemma kind, mixtures of experts among them, to
// measure on. Tensors are produced while the file is written, so that a model of any size takes little memory and no
// longer than the disk.
#include <algorithm>
#include <deque>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "ql/ql.hpp"
#include "tools/bench/bench.hpp"
#include "tools/bench/model_shapes.hpp"
#include "tools/bench/random_codes.hpp"
#include "tools/cli/escape.hpp"
#include "tools/cli/outputs.hpp"
#include "tools/cli/progress.hpp"
#include "tools/cli/units.hpp"

namespace ql::cli {
namespace {

/// A SentencePiece vocabulary that knows no words: text becomes its bytes. The tokens after the bytes only make up the
/// number: no text is ever tokenized to one of them.
struct ByteVocabulary {
    enum Type : int32_t { kNormal = 1, kUnknown = 2, kControl = 3, kUnused = 5, kByte = 6 };  // the format's numbers

    std::vector<std::string> tokens;
    std::vector<int32_t> types;

    explicit ByteVocabulary(int64_t n) {
        add("<unk>", kUnknown), add("<s>", kControl), add("</s>", kControl);
        for (int b = 0; b < 256; ++b) add(format("<0x%02X>", static_cast<unsigned>(b)), kByte);
        add("\xe2\x96\x81", kNormal);  // a blank
        while (static_cast<int64_t>(tokens.size()) < n) add(format("<unused%zu>", tokens.size()), kUnused);
    }
    void add(std::string token, Type type) { tokens.push_back(std::move(token)), types.push_back(type); }
};

class ModelFile {
  public:
    ModelFile(const Program & program, const ModelShape & shape, ql_dtype type, uint64_t seed)
        : program_(program),
          shape_(shape),
          block_codes_(type, seed),
          vocab_codes_(QL_Q8_0, seed),
          router_codes_(QL_F32, seed),
          progress_("make", program.quiet || program.verbose) {
        check_run(ql_gguf_writer_create(out(writer_)));
        ones_.assign(static_cast<size_t>(std::max(shape.n_embd, shape.head_length())), 1.0f);
        zeros_.assign(static_cast<size_t>(shape.head_length() * shape.n_head), 0.0f);
        hparams();
        vocabulary();
        tensors();
    }
    ModelFile(const ModelFile &) = delete;
    ModelFile & operator=(const ModelFile &) = delete;
    uint64_t bytes() const { return ql_gguf_writer_size(writer_.get()); }
    int64_t n_parameters() const { return n_parameters_; }
    void write(const std::string & path) {
        const Status status = ql_gguf_write(writer_.get(), path.c_str());
        progress_.clear();
        if (!status.ok()) check_interrupt();
        check_run(status);
    }

  private:
    /// A matrix that is produced while the file is written.
    struct Matrix {
        ModelFile * file;
        std::string name;
        const RandomCodes * codes;
        uint32_t index;
        int64_t n;
    };

    static int produce(void * user, size_t offset, void * dst, size_t size) {
        const auto & m = *static_cast<const Matrix *>(user);
        if (g_interrupt) return QL_CANCELLED;
        if (offset == 0) m.file->program_.detail(m.name);
        m.codes->produce(m.index, m.n, offset, size, static_cast<uint8_t *>(dst));
        m.file->done_ += size;
        m.file->progress_.update(static_cast<double>(m.file->done_), static_cast<double>(m.file->bytes_), "");
        return QL_OK;
    }

    void text(const char * key, const std::string & v) { check_run(set_string(writer_, key, v)); }
    void number(const char * key, int64_t v) { check_run(ql_gguf_set_int(writer_.get(), key, QL_GGUF_U32, v)); }
    void real(const char * key, float v) { check_run(ql_gguf_set_f32(writer_.get(), key, v)); }

    void hparams() {
        const std::string arch = shape_.architecture + ".";
        const auto count = [&](const char * key, int64_t v) { number((arch + key).c_str(), v); };
        text("general.architecture", shape_.architecture);
        text("general.type", "model");
        text("general.name", shape_.name + ", random");
        count("block_count", shape_.n_layer);
        count("context_length", kMadeContext);
        count("embedding_length", shape_.n_embd);
        count("feed_forward_length", shape_.n_ff);
        count("attention.head_count", shape_.n_head);
        count("attention.head_count_kv", shape_.n_head_kv);
        if (shape_.head_dim) {
            count("attention.key_length", shape_.head_dim);
            count("attention.value_length", shape_.head_dim);
        }
        count("rope.dimension_count", shape_.head_length());
        count("vocab_size", shape_.n_vocab);
        if (shape_.experts.n) {
            count("expert_count", shape_.experts.n);
            count("expert_used_count", shape_.experts.n_used);
            count("expert_feed_forward_length", shape_.experts.n_ff);
        }
        real((arch + "attention.layer_norm_rms_epsilon").c_str(), static_cast<float>(shape_.rms_eps));
        real((arch + "rope.freq_base").c_str(), static_cast<float>(shape_.rope_base));
        if (!shape_.is_gemma()) return;
        count("attention.sliding_window", 512);
        real((arch + "rope.freq_base_swa").c_str(), 10000);
    }

    void vocabulary() {
        const ByteVocabulary v(shape_.n_vocab);
        const auto n = static_cast<int64_t>(v.tokens.size());
        std::vector<ql_gguf_string> tokens;
        for (const std::string & t : v.tokens) tokens.push_back({t.data(), t.size()});
        const std::vector<float> scores(v.tokens.size(), 0.0f);
        text("tokenizer.ggml.model", "llama");
        check_run(ql_gguf_set_strings(writer_.get(), "tokenizer.ggml.tokens", tokens.data(), n));
        check_run(ql_gguf_set_array(writer_.get(), "tokenizer.ggml.scores", QL_GGUF_F32, scores.data(), n));
        check_run(ql_gguf_set_array(writer_.get(), "tokenizer.ggml.token_type", QL_GGUF_I32, v.types.data(), n));
        number("tokenizer.ggml.unknown_token_id", 0);
        number("tokenizer.ggml.bos_token_id", 1);
        number("tokenizer.ggml.eos_token_id", 2);
    }

    void vector(const std::string & name, int64_t n, const std::vector<float> & values) {
        check_run(ql_gguf_add_tensor(writer_.get(), name.c_str(), QL_F32, 1, &n, values.data()));
        n_parameters_ += n;
    }
    void norm(const std::string & name, int64_t n) { vector(name, n, ones_); }
    /// n   matrices, one behind the other; 1: the tensor has no third dimension
    void matrix(const std::string & name, const RandomCodes & codes, int64_t in, int64_t out, int64_t n = 1) {
        matrices_.push_back({this, name, &codes, static_cast<uint32_t>(matrices_.size()), in * out * n});
        const int64_t ne[] = {in, out, n};
        check_run(ql_gguf_add_produced(writer_.get(), name.c_str(), codes.dtype(), n > 1 ? 3 : 2, ne, produce,
                                       &matrices_.back()));
        n_parameters_ += in * out * n;
        bytes_ += ql_dtype_bytes(codes.dtype(), in * out * n);
    }
    void tensors() {
        const int64_t d = shape_.n_embd;
        matrix("token_embd.weight", vocab_codes_, d, shape_.n_vocab);
        for (int64_t i = 0; i < shape_.n_layer; ++i) {
            const std::string b = "blk." + std::to_string(i) + ".";
            attention(b + "attn_");
            if (shape_.has_post_norms()) norm(b + "post_attention_norm.weight", d);
            norm(b + "ffn_norm.weight", d);
            feed_forward(b + "ffn_");
            if (shape_.has_post_norms()) norm(b + "post_ffw_norm.weight", d);
        }
        norm("output_norm.weight", d);
        if (!shape_.tied) matrix("output.weight", vocab_codes_, d, shape_.n_vocab);
    }
    /// Experts lie in one tensor, behind the router, which is small and precise.
    void feed_forward(const std::string & p) {
        const int64_t d = shape_.n_embd, n = std::max<int64_t>(shape_.experts.n, 1);
        const int64_t n_ff = shape_.experts.n ? shape_.experts.n_ff : shape_.n_ff;
        const std::string suffix = shape_.experts.n ? "_exps.weight" : ".weight";
        if (shape_.experts.n) matrix(p + "gate_inp.weight", router_codes_, d, n);
        matrix(p + "gate" + suffix, block_codes_, d, n_ff, n);
        matrix(p + "up" + suffix, block_codes_, d, n_ff, n);
        matrix(p + "down" + suffix, block_codes_, n_ff, d, n);
    }
    void attention(const std::string & p) {
        const int64_t d = shape_.n_embd, head = shape_.head_length(), q = head * shape_.n_head,
                      kv = head * shape_.n_head_kv;
        norm(p + "norm.weight", d);
        linear(p + "q", d, q);
        linear(p + "k", d, kv);
        linear(p + "v", d, kv);
        matrix(p + "output.weight", block_codes_, q, d);
        if (!shape_.has_head_norms()) return;
        norm(p + "q_norm.weight", head);
        norm(p + "k_norm.weight", head);
    }
    void linear(const std::string & name, int64_t in, int64_t out) {
        matrix(name + ".weight", block_codes_, in, out);
        if (shape_.has_query_biases()) vector(name + ".bias", out, zeros_);
    }

    const Program & program_;
    const ModelShape & shape_;
    GgufWriterPtr writer_;
    RandomCodes block_codes_, vocab_codes_, router_codes_;  // vocab: of embedding and head
    Progress progress_;
    std::vector<float> ones_, zeros_;
    std::deque<Matrix> matrices_;  // the writer keeps pointers to them
    int64_t n_parameters_ = 0;
    uint64_t bytes_ = 0, done_ = 0;  // of the matrices: all, and produced so far
};

}  // namespace

MadeModel write_made_model(const Program & program, const ModelShape & shape, ql_dtype type, const std::string & path,
                           uint64_t seed) {
    for (const int64_t row :
         {shape.n_embd, shape.experts.n ? shape.experts.n_ff : shape.n_ff, shape.head_length() * shape.n_head})
        if (row % ql_dtype_block_length(type))
            bad_input("--type: %s's rows of %lld do not fit %s's blocks of %lld", shape.name.c_str(),
                      static_cast<long long>(row), ql_dtype_name(type),
                      static_cast<long long>(ql_dtype_block_length(type)));
    program.begin_work();
    ModelFile file(program, shape, type, seed);
    file.write(path);
    return {file.n_parameters(), file.bytes()};
}

void make_model(const Program & program, const MakeModel & o, uint64_t seed) {
    const ModelShape shape = model_shape(o.shape);
    const ql_dtype type = weight_type("--type", o.type);
    Outputs outputs;
    outputs.file("-o", o.output, OutputKind::model);
    outputs.check();
    const MadeModel made = write_made_model(program, shape, type, o.output, seed);
    if (program.json)
        return program.print({{"file", o.output},
                              {"shape", shape.name},
                              {"type", ql_dtype_name(type)},
                              {"parameters", made.n_parameters},
                              {"bytes", made.bytes}});
    std::printf("%s: %s, %s parameters, %s\n", escape_line(o.output).c_str(), escape_line(shape.name).c_str(),
                print_count(made.n_parameters).c_str(), print_size(made.bytes).c_str());
}

}  // namespace ql::cli
