// A real model end to end: the 260,032-parameter story teller must give the mean NLL that the reference gives on 100
// passages. Its hidden width, 172, fits the blocks of no quantised type.
#include <nlohmann/json.hpp>

#include "models/golden.hpp"
#include "models/infer/evaluate.hpp"
#include "support/stories_gguf.hpp"

namespace ql::test {
namespace {

constexpr double kReferenceNll = 1.4005;  // mean over the first 100 passages, BOS first, each cut at 512 tokens
constexpr int64_t kPredictions = 37374;
constexpr size_t kPassages = 100;

class Stories : public ::testing::Test {
  protected:
    void SetUp() override {
        const auto passages = shared_path("data/text/tinystories_ascii_nl1.json");
        if (!passages || !write_stories(folder_.path("stories.gguf")))
            GTEST_SKIP() << "data/stories260K and data/text are not here: set QL_SHARED to their folder";
        passages_ = nlohmann::json::parse(read_all(*passages)).get<std::vector<std::string>>();
        ASSERT_GE(passages_.size(), kPassages);
        passages_.resize(kPassages);
        device_.reset(open_cpu(QL_COMPUTE_F32));
        ASSERT_TRUE(device_);
    }

    std::unique_ptr<Model> open(int64_t base_type, int64_t embeddings = QL_BASE_KEEP) const {
        auto model = open_model(folder_.path("stories.gguf"), {sizeof(ql_model_options), base_type, embeddings});
        EXPECT_TRUE(model.ok()) << model.message();
        return model.ok() ? std::move(model).value() : nullptr;
    }

    Likelihood likelihood(const Model & model) const {
        const auto ctx = model.hparams().n_ctx;
        Dataset data;
        for (const std::string & passage : passages_) {
            TokenSample sample;
            sample.tokens = model.tokenizer()->encode(passage, true, false);
            sample.tokens.resize(std::min(sample.tokens.size(), static_cast<size_t>(ctx)));
            sample.trained.assign(sample.tokens.size(), 1);
            data.samples.push_back(std::move(sample));
        }
        const auto result = evaluate_dataset(model, device_.get(), {}, data, ctx);
        EXPECT_TRUE(result.ok()) << result.message();
        return result.ok() ? result.value() : Likelihood();
    }

    TemporaryFolder folder_;
    std::vector<std::string> passages_;
    DevicePtr device_;
};

TEST_F(Stories, NllEqualsTheReference) {
    const auto model = open(QL_BASE_KEEP);
    ASSERT_TRUE(model);
    EXPECT_EQ(model->n_parameters(), 260032);
    EXPECT_TRUE(model->tied());
    const Likelihood got = likelihood(*model);
    EXPECT_EQ(got.tokens, kPredictions);
    EXPECT_NEAR(got.nll, kReferenceNll, 5e-4);
}

TEST_F(Stories, QuantisedKeepsTheNllAndNamesWhatStaysWide) {
    const auto model = open(QL_Q8_0, QL_Q8_0);
    ASSERT_TRUE(model);
    EXPECT_EQ(model->base_type(), "q8_0");
    EXPECT_EQ(model->find("blk.4.ffn_up.weight")->dtype, QL_Q8_0);
    EXPECT_EQ(model->find("blk.4.ffn_down.weight")->dtype, QL_F16);  // rows of 172 do not divide into blocks of 32
    ASSERT_EQ(model->notes().size(), 5u);
    for (size_t i = 0; i < 5; ++i) {
        const std::string & note = model->notes()[i];
        EXPECT_NE(note.find("blk." + std::to_string(i) + ".ffn_down.weight"), note.npos) << note;
        EXPECT_NE(note.find("172"), note.npos) << note;
        EXPECT_NE(note.find("f16"), note.npos) << note;
    }
    const Likelihood got = likelihood(*model);
    EXPECT_EQ(got.tokens, kPredictions);
    EXPECT_NEAR(got.nll, kReferenceNll, 0.01);
}

}  // namespace
}  // namespace ql::test
