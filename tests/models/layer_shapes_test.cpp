// A model whose layers differ in shape against one of equal layers that computes the same: keys and values of shared
// heads are repeated, and what a smaller layer lacks is multiplied by zeros.
#include <deque>

#include "models/golden.hpp"
#include "models/infer/session.hpp"
#include "models/train/step.hpp"
#include "support/temporary_folder.hpp"

namespace ql::test {
namespace {

constexpr int64_t kEmbd = 32, kHead = 8, kVocab = 96;
const LayerShape kLargest{4, 4, 48};
const std::vector<LayerShape> kOwnShapes = {kLargest, {4, 2, 48}, {2, 1, 32}};

using Values = std::vector<float>;

/// Numbers in [-range, range] that depend on the name alone.
Values numbers(const std::string & name, int64_t n, float range) {
    uint64_t state = std::hash<std::string>{}(name);
    Values values;
    for (int64_t i = 0; i < n; ++i) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        values.push_back(range * (static_cast<float>(state >> 40) * 0x1p-23f - 1.0f));
    }
    return values;
}

/// The rows [from, to) of a matrix with rows of `width`, one after the other.
void append_rows(Values & to, const Values & matrix, int64_t width, int64_t first, int64_t last) {
    to.insert(to.end(), matrix.begin() + first * width, matrix.begin() + last * width);
}

class ModelWriter {
  public:
    ModelWriter(const std::vector<LayerShape> & shapes, bool equal_layers) : equal_(equal_layers) {
        EXPECT_EQ(ql_gguf_writer_create(&w_), QL_OK);
        const char * const arch = "llama";
        EXPECT_EQ(ql_gguf_set_string(w_, "general.architecture", arch, 5), QL_OK);
        for (const auto & [key, value] :
             {std::pair<const char *, int64_t>{"llama.block_count", static_cast<int64_t>(shapes.size())},
              {"llama.context_length", 64},
              {"llama.embedding_length", kEmbd},
              {"llama.attention.key_length", kHead}})
            EXPECT_EQ(ql_gguf_set_int(w_, key, QL_GGUF_U32, value), QL_OK);
        EXPECT_EQ(ql_gguf_set_f32(w_, "llama.attention.layer_norm_rms_epsilon", 1e-5f), QL_OK);
        count("llama.attention.head_count", shapes, &LayerShape::n_head);
        count("llama.attention.head_count_kv", shapes, &LayerShape::n_head_kv);
        count("llama.feed_forward_length", shapes, &LayerShape::n_ff);
        add("token_embd.weight", kEmbd, kVocab, numbers("embedding", kEmbd * kVocab, 1));
        add("output_norm.weight", kEmbd, 1, Values(kEmbd, 1.0f));
        for (size_t i = 0; i < shapes.size(); ++i) layer("blk." + std::to_string(i) + ".", shapes[i]);
    }
    ~ModelWriter() { ql_gguf_writer_free(w_); }
    ModelWriter(const ModelWriter &) = delete;
    ModelWriter & operator=(const ModelWriter &) = delete;

    std::unique_ptr<Model> open(const std::string & path) {
        EXPECT_EQ(ql_gguf_write(w_, path.c_str()), QL_OK) << ql_error_message();
        auto model = open_model(path, {sizeof(ql_model_options), QL_BASE_KEEP, QL_BASE_KEEP});
        EXPECT_TRUE(model.ok()) << model.message();
        return model.ok() ? std::move(model).value() : nullptr;
    }

  private:
    LayerShape written(const LayerShape & own) const { return equal_ ? kLargest : own; }

    void count(const char * key, const std::vector<LayerShape> & shapes, int64_t LayerShape::*member) {
        std::vector<uint32_t> values;
        for (const LayerShape & shape : shapes) values.push_back(static_cast<uint32_t>(written(shape).*member));
        EXPECT_EQ(ql_gguf_set_array(w_, key, QL_GGUF_U32, values.data(), static_cast<int64_t>(values.size())), QL_OK);
    }

    void add(const std::string & name, int64_t ne0, int64_t ne1, Values values) {
        ASSERT_EQ(static_cast<int64_t>(values.size()), ne0 * ne1) << name;
        const int64_t ne[] = {ne0, ne1};
        kept_.push_back(std::move(values));
        ASSERT_EQ(ql_gguf_add_tensor(w_, name.c_str(), QL_F32, ne1 == 1 ? 1 : 2, ne, kept_.back().data()), QL_OK);
    }

    void layer(const std::string & b, const LayerShape & own) {
        const LayerShape out = written(own);
        for (const char * norm : {"attn_norm.weight", "ffn_norm.weight"}) add(b + norm, kEmbd, 1, Values(kEmbd, 1.0f));
        add(b + "attn_q.weight", kEmbd, out.n_head * kHead, numbers(b + "q", kEmbd * out.n_head * kHead, 0.3f));
        for (const std::string part : {"attn_k.weight", "attn_v.weight"}) {
            const Values matrix = numbers(b + part, kEmbd * own.n_head_kv * kHead, 0.3f);
            const int64_t repeats = out.n_head_kv > own.n_head_kv ? own.n_head / own.n_head_kv : 1;
            Values heads;  // of equal layers: the head that each query head shares; any for query heads without output
            for (int64_t head = 0; head < out.n_head_kv; ++head) {
                const int64_t from = std::min(head / repeats, own.n_head_kv - 1);
                append_rows(heads, matrix, kEmbd, from * kHead, (from + 1) * kHead);
            }
            add(b + part, kEmbd, out.n_head_kv * kHead, heads);
        }
        add(b + "attn_output.weight", out.n_head * kHead, kEmbd,
            columns(b + "o", own.n_head * kHead, out.n_head * kHead));
        add(b + "ffn_gate.weight", kEmbd, out.n_ff, numbers(b + "gate", kEmbd * out.n_ff, 0.3f));
        add(b + "ffn_up.weight", kEmbd, out.n_ff, numbers(b + "up", kEmbd * out.n_ff, 0.3f));
        add(b + "ffn_down.weight", out.n_ff, kEmbd, columns(b + "down", own.n_ff, out.n_ff));
    }

    /// kEmbd rows of `own` numbers, filled with zeros up to `width`.
    static Values columns(const std::string & name, int64_t own, int64_t width) {
        const Values matrix = numbers(name, own * kEmbd, 0.3f);
        Values rows;
        for (int64_t row = 0; row < kEmbd; ++row) {
            append_rows(rows, matrix, own, row, row + 1);
            rows.resize(static_cast<size_t>((row + 1) * width));
        }
        return rows;
    }

    const bool equal_;
    ql_gguf_writer * w_ = nullptr;
    std::deque<Values> kept_;  // tensors are borrowed until the file is written
};

class LayerShapes : public ::testing::Test {
  protected:
    const TemporaryFolder folder_;
    const std::unique_ptr<Model> own_ = ModelWriter(kOwnShapes, false).open(folder_.path("own.gguf"));
    const std::unique_ptr<Model> equal_ = ModelWriter(kOwnShapes, true).open(folder_.path("equal.gguf"));
    const DevicePtr device_{open_cpu(QL_COMPUTE_F32)};
    const std::vector<int32_t> ids_ = {1, 50, 7, 95, 3, 22, 81, 40, 9, 64, 12};
};

TEST_F(LayerShapes, AreThoseOfTheFile) {
    EXPECT_EQ(own_->hparams().layers, kOwnShapes);
    EXPECT_EQ(own_->find("blk.1.attn_k.weight")->ne[1], 2 * kHead);
    EXPECT_EQ(own_->find("blk.2.ffn_down.weight")->ne[0], 32);
}

TEST_F(LayerShapes, LogitsAreThoseOfTheSameModelWithEqualLayers) {
    EXPECT_LE(nmse(logits_of(*own_, device_.get(), ids_), logits_of(*equal_, device_.get(), ids_)), 1e-12);
}

TEST_F(LayerShapes, EachLayersCacheHasItsKeyValueHeads) {
    const Values all = logits_of(*own_, device_.get(), ids_);
    const auto session = Session::create(*own_, device_.get(), {}, 32, QL_F32);
    ASSERT_TRUE(session.ok()) << session.message();
    for (const int32_t id : ids_) ASSERT_TRUE((*session)->eval({&id, 1}).ok());
    EXPECT_LE(nmse({(*session)->logits().begin(), (*session)->logits().end()}, {all.end() - kVocab, all.end()}), 1e-11);
}

TEST_F(LayerShapes, EveryLayersBranchesAreTrained) {
    const auto adapter = new_adapter(*own_, {.r = 2});
    ASSERT_TRUE(adapter.ok()) << adapter.message();
    StepOptions options;
    options.n_tokens = static_cast<int64_t>(ids_.size());
    const auto step = TrainStep::create(*own_, device_.get(), *adapter, options);
    ASSERT_TRUE(step.ok()) << step.message();
    PackedSequence sequence;
    for (size_t i = 0; i < ids_.size(); ++i) {
        sequence.tokens.push_back(ids_[i]);
        sequence.positions.push_back(static_cast<int32_t>(i));
        sequence.segments.push_back(0);
        sequence.targets.push_back(ids_[(i + 1) % ids_.size()]);
    }
    const MicroBatch batch = MicroBatch::from_sequences({&sequence, 1}, 1, options.n_tokens, 1.0f / 11);
    float hyper[QL_HYPER_N] = {}, loss = 0, norm = 0;
    hyper[QL_HYPER_LR] = 1e-2f, hyper[QL_HYPER_EPS] = 1e-8f;
    hyper[QL_HYPER_BETA1] = 0.9f, hyper[QL_HYPER_BIAS1] = 0.1f;
    hyper[QL_HYPER_BETA2] = 0.999f, hyper[QL_HYPER_BIAS2] = 0.001f;
    ASSERT_TRUE((*step)->accumulate(batch, 1, 0, 0, &loss).ok()) << ql_error_message();
    ASSERT_TRUE((*step)->update(hyper, &norm).ok()) << ql_error_message();
    Adapter trained = *adapter;
    ASSERT_TRUE((*step)->read_adapter(trained).ok());
    ASSERT_EQ(trained.matrices.size(), kOwnShapes.size() * 7);
    for (size_t i = 0; i < trained.matrices.size(); ++i)
        EXPECT_NE(trained.matrices[i].b, adapter->matrices[i].b) << trained.matrices[i].weight;
}

}  // namespace
}  // namespace ql::test
