// Architectures against what transformers and PEFT compute (tests/golden/arch), and each with itself: packed, cached.
#include "models/files/weight_names.hpp"
#include "models/golden.hpp"
#include "models/infer/session.hpp"
#include "models/train/step.hpp"

namespace ql::test {
namespace {

using Ids = std::vector<int32_t>;

class ArchGolden : public ::testing::TestWithParam<const char *> {
  protected:
    void SetUp() override {
        model_ = open_golden_model(GetParam());
        ASSERT_TRUE(model_);
        expected_ = SafeTensors::open(path("expected.safetensors"));
        ids_ = expected_.i32("input_ids");
    }
    static std::string path(const char * file) { return golden_path(std::string("arch/") + GetParam() + "/" + file); }

    int64_t n_tokens() const { return static_cast<int64_t>(ids_.size()); }

    /// Segments one after another; none is trained on the last token of its own.
    static MicroBatch batch_of(const std::vector<Ids> & segments, int64_t n_tokens, float weight) {
        PackedSequence packed;
        for (size_t s = 0; s < segments.size(); ++s)
            for (size_t i = 0; i < segments[s].size(); ++i) {
                packed.tokens.push_back(segments[s][i]);
                packed.positions.push_back(static_cast<int32_t>(i));
                packed.segments.push_back(static_cast<int32_t>(s));
                packed.targets.push_back(i + 1 < segments[s].size() ? segments[s][i + 1] : -1);
            }
        return MicroBatch::from_sequences({&packed, 1}, 1, n_tokens, weight);
    }
    std::unique_ptr<TrainStep> step(const Adapter & start, int64_t n_tokens) const {
        StepOptions options;
        options.n_tokens = n_tokens;
        auto made = TrainStep::create(*model_, device_.get(), start, options);
        EXPECT_TRUE(made.ok()) << made.message();
        return made.ok() ? std::move(made).value() : nullptr;
    }
    /// The golden matrices "<kind>.<module>.lora_{A,B}.weight".
    Adapter golden_adapter(const SafeTensors & golden, const std::string & kind) const {
        Adapter adapter;
        const Architecture & architecture = model_->architecture();
        for (const std::string & weight : model_->linears()) {
            const std::string name = architecture.hf_names().hf_name(weight).value();
            const std::string stem = kind + "." + name.substr(0, name.size() - std::string(".weight").size());
            const auto a = golden.shape(stem + ".lora_A.weight"), b = golden.shape(stem + ".lora_B.weight");
            LoraMatrix m;
            m.weight = weight;
            m.r = a[0], m.k = a[1], m.m = b[0];
            m.scale = 2.0f;  // 4 / 2
            m.a = golden.f32(stem + ".lora_A.weight");
            m.b = golden.f32(stem + ".lora_B.weight");
            const int64_t head_dim = model_->hparams().head_dim;
            if (architecture.permuted(linear_of(weight))) m.b = to_gguf_rows(m.b, m.m / head_dim, head_dim, m.r);
            adapter.matrices.push_back(std::move(m));
        }
        return adapter;
    }

    const DevicePtr device_{open_cpu(QL_COMPUTE_F32)};
    std::unique_ptr<Model> model_;
    SafeTensors expected_;
    Ids ids_;
};

TEST_P(ArchGolden, LogitsEqualTransformers) {
    const std::vector<float> logits = logits_of(*model_, device_.get(), ids_);
    const double error = nmse(logits, expected_.f32("logits"));
    RecordProperty("nmse", std::to_string(error));
    EXPECT_LE(error, 1e-9);
}

TEST_P(ArchGolden, LossAndGradientsEqualPeft) {
    const SafeTensors golden = SafeTensors::open(path("lora.safetensors"));
    const Adapter start = golden_adapter(golden, "init"), expected = golden_adapter(golden, "grad");
    const auto s = step(start, n_tokens());
    ASSERT_TRUE(s);
    float loss = 0;
    ASSERT_TRUE(
        s->accumulate(batch_of({ids_}, n_tokens(), 1.0f / static_cast<float>(n_tokens() - 1)), 0, 0, 0, &loss).ok());
    EXPECT_NEAR(loss, std::stod(golden.metadata("loss")), 1e-5);
    for (const TrainedParam & p : s->params()) {
        std::vector<float> sum(static_cast<size_t>(ql_tensor_elements(p.sum)));
        ASSERT_EQ(ql_tensor_read(p.sum, sum.data(), 0, sum.size() * 4), QL_OK);
        EXPECT_LE(std::sqrt(nmse(sum, p.values(expected))), 1e-4) << p.name;
    }
    EXPECT_EQ(s->params().size(), 2 * start.matrices.size());
}

TEST_P(ArchGolden, TheLossWithoutAnAdapterEqualsTransformers) {
    const auto adapter = new_adapter(*model_, {.r = 2});
    ASSERT_TRUE(adapter.ok()) << adapter.message();
    const auto s = step(*adapter, n_tokens());
    ASSERT_TRUE(s);
    std::vector<float> nll;
    ASSERT_TRUE(s->evaluate(batch_of({ids_}, n_tokens(), 1), nll).ok());
    double sum = 0;
    for (const float v : nll) sum += static_cast<double>(v);
    EXPECT_NEAR(sum / static_cast<double>(n_tokens() - 1), std::stod(expected_.metadata("loss")), 1e-5);
}

/// Kernels cut keys at multiples of 64, so the second segment begins at one.
TEST_P(ArchGolden, PackedSegmentsHaveTheBitsOfSeparateOnes) {
    const auto adapter = new_adapter(*model_, {.r = 2});
    ASSERT_TRUE(adapter.ok()) << adapter.message();
    const Ids first(64, 7), &second = ids_;
    const auto s = step(*adapter, 128);
    ASSERT_TRUE(s);
    std::vector<float> packed, alone;
    ASSERT_TRUE(s->evaluate(batch_of({first, second}, 128, 1), packed).ok());
    ASSERT_TRUE(s->evaluate(batch_of({second}, 128, 1), alone).ok());
    for (size_t i = 0; i < second.size(); ++i) EXPECT_EQ(packed[64 + i], alone[i]) << "token " << i;
}

TEST_P(ArchGolden, ACacheGivesTheLogitsOfTheWholePass) {
    const auto session = Session::create(*model_, device_.get(), {}, 64, QL_F32);
    ASSERT_TRUE(session.ok()) << session.message();
    const std::vector<float> all = logits_of(*model_, device_.get(), ids_);
    size_t at = 0;
    for (const size_t n : {size_t{13}, size_t{5}, size_t{1}, size_t{1}, ids_.size() - 20}) {
        ASSERT_TRUE((*session)->eval({ids_.data() + at, n}).ok());
        at += n;
        const auto n_vocab = static_cast<std::ptrdiff_t>(model_->hparams().n_vocab);
        const auto row = all.begin() + static_cast<std::ptrdiff_t>(at - 1) * n_vocab;
        EXPECT_LE(nmse({(*session)->logits().begin(), (*session)->logits().end()}, {row, row + n_vocab}), 1e-10) << at;
    }
}

INSTANTIATE_TEST_SUITE_P(, ArchGolden,
                         ::testing::Values("llama", "llama3_rope", "llama_bias", "mistral_window", "qwen2",
                                           "qwen2_yarn", "qwen3", "ministral3", "gemma3", "phi3", "phi3_longrope",
                                           "smollm3", "granite", "olmo2", "glm4", "gemma2"));

}  // namespace
}  // namespace ql::test
