// LoRA on an untied head: opened from PEFT and GGUF, applied in generation and in evaluation, refused in training.
#include "models/adapters.hpp"
#include "models/infer/evaluate.hpp"
#include "models/infer/session.hpp"
#include "models/train/step.hpp"
#include "support/raw_safetensors.hpp"
#include "support/temporary_folder.hpp"

namespace ql::test {
namespace {

constexpr int64_t kRank = 2;
constexpr const char * kGolden = "arch/llama3_rope";

class LoraHead : public ::testing::Test {
  protected:
    void SetUp() override {
        model_ = open_golden_model("llama3_rope");
        ASSERT_TRUE(model_);
        ASSERT_FALSE(model_->tied());
        LoraMatrix matrix{"output.weight", model_->head().ne[0], model_->head().ne[1], kRank, 1.5f, {}, {}};
        for (int64_t i = 0; i < matrix.k * kRank; ++i) matrix.a.push_back(0.02f * static_cast<float>(i % 7 - 3));
        for (int64_t i = 0; i < matrix.m * kRank; ++i) matrix.b.push_back(0.03f * static_cast<float>(i % 5 - 2));
        adapter_.architecture = "llama";
        adapter_.matrices = {matrix};
    }

    /// The model with the adapter in its head, from files of its own.
    std::unique_ptr<Model> merged_model() const {
        const SafeTensors golden = SafeTensors::open(golden_path(std::string(kGolden) + "/model.safetensors"));
        SafeTensorsMaker maker;
        for (const std::string & name : golden.names()) {
            std::vector<float> values = golden.f32(name);
            const std::vector<double> delta = product(adapter_.matrices[0]);
            for (size_t i = 0; name == "lm_head.weight" && i < values.size(); ++i)
                values[i] = static_cast<float>(static_cast<double>(values[i]) + delta[i]);
            maker.add(name, golden.shape(name), values);
        }
        folder_.write("model.safetensors", maker.file());
        folder_.write("config.json", read_all(golden_path(std::string(kGolden) + "/config.json")));
        auto model = open_model(folder_.path(""), {sizeof(ql_model_options), QL_BASE_KEEP, QL_BASE_KEEP});
        if (!model.ok()) ADD_FAILURE() << model.message();
        return model.ok() ? std::move(model).value() : nullptr;
    }

    std::vector<float> logits(const Model & model, const std::vector<AppliedAdapter> & adapters) {
        auto session = Session::create(model, device_.get(), adapters, 16, QL_F32);
        if (!session.ok()) ADD_FAILURE() << session.message();
        if (!session.ok() || !(*session)->eval(ids_).ok()) return {};
        const auto values = (*session)->logits();
        return {values.begin(), values.end()};
    }

    double nll(const Model & model, const std::vector<AppliedAdapter> & adapters) {
        Dataset data;
        data.samples.push_back({1, ids_, std::vector<uint8_t>(ids_.size(), 1)});
        const auto result = evaluate_dataset(model, device_.get(), adapters, data, 8);
        if (!result.ok()) ADD_FAILURE() << result.message();
        return result.ok() ? result->nll : 0;
    }

    std::unique_ptr<Model> model_;
    const DevicePtr device_{open_cpu(QL_COMPUTE_F32)};
    const std::vector<int32_t> ids_ = {5, 9, 31, 77};
    const TemporaryFolder folder_;
    Adapter adapter_;
};

TEST_F(LoraHead, AppliedEqualsMerged) {
    const auto merged = merged_model();
    ASSERT_TRUE(merged);
    const std::vector<AppliedAdapter> applied = {{&adapter_, 1.0f}};
    EXPECT_LE(nmse(logits(*model_, applied), logits(*merged, {})), 1e-10);
    EXPECT_GT(nmse(logits(*model_, {}), logits(*merged, {})), 1e-4);
    EXPECT_NEAR(nll(*model_, applied), nll(*merged, {}), 1e-5);
    EXPECT_GT(std::fabs(nll(*model_, {}) - nll(*merged, {})), 1e-4);
}

TEST_F(LoraHead, TheUsersFactorScalesTheBranch) {
    Adapter half = adapter_;
    half.matrices[0].scale *= 0.5f;
    const std::vector<AppliedAdapter> by_factor = {{&adapter_, 0.5f}}, by_scale = {{&half, 1.0f}};
    EXPECT_EQ(logits(*model_, by_factor), logits(*model_, by_scale));
    EXPECT_EQ(nll(*model_, by_factor), nll(*model_, by_scale));
    EXPECT_NE(nll(*model_, by_factor), nll(*model_, {{&adapter_, 1.0f}}));
}

TEST_F(LoraHead, TravelsThroughFiles) {
    ASSERT_TRUE(save_adapter(adapter_, *model_, folder_.path("head.gguf")).ok());
    const auto gguf = load_adapter(folder_.path("head.gguf"), *model_);
    ASSERT_TRUE(gguf.ok()) << gguf.message();
    expect_identical(*gguf, adapter_);
    ASSERT_TRUE(save_peft(adapter_, *model_, folder_.path("peft")).ok());
    const auto peft = load_adapter(folder_.path("peft"), *model_);
    ASSERT_TRUE(peft.ok()) << peft.message();
    expect_identical(*peft, adapter_);
}

TEST_F(LoraHead, PeftsCopiesOfTheBaseAreCompared) {
    ASSERT_TRUE(save_peft(adapter_, *model_, folder_.path("peft")).ok());
    const SafeTensors base = SafeTensors::open(golden_path(std::string(kGolden) + "/model.safetensors"));
    const SafeTensors branch = SafeTensors::open(folder_.path("peft/adapter_model.safetensors"));
    const auto with_copy = [&](float change) {
        SafeTensorsMaker maker;
        for (const std::string & name : branch.names()) maker.add(name, branch.shape(name), branch.f32(name));
        std::vector<float> head = base.f32("lm_head.weight");
        for (float & v : head) v *= change;
        maker.add("base_model.model.lm_head.base_layer.weight", base.shape("lm_head.weight"), head);
        maker.add("base_model.model.model.embed_tokens.weight", base.shape("model.embed_tokens.weight"),
                  base.f32("model.embed_tokens.weight"));
        folder_.write("peft/adapter_model.safetensors", maker.file());
        return load_adapter(folder_.path("peft"), *model_);
    };
    EXPECT_TRUE(with_copy(1).ok()) << with_copy(1).message();
    EXPECT_EQ(with_copy(1.1f).code(), QL_BAD_FILE);
    EXPECT_NE(with_copy(1.1f).message().find("differs from 'output.weight'"), std::string::npos);
}

TEST_F(LoraHead, OfATiedModelIsRefused) {
    adapter_.matrices[0].m = 160;
    const Status saved = save_adapter(adapter_, llama(), folder_.path("head.gguf"));
    EXPECT_EQ(saved.code(), QL_UNSUPPORTED);
    EXPECT_NE(saved.message().find("is its embedding, which takes no LoRA"), std::string::npos) << saved.message();
}

TEST_F(LoraHead, TrainingSaysThatItIsNotSupported) {
    const auto step = TrainStep::create(*model_, device_.get(), adapter_, {.n_tokens = 8});
    ASSERT_FALSE(step.ok());
    EXPECT_EQ(step.code(), QL_UNSUPPORTED);
    EXPECT_NE(step.message().find("changes the head ('output.weight')"), std::string::npos) << step.message();
}

TEST_F(LoraHead, NewAdaptersLeaveTheHeadAlone) {
    for (const char * targets : {"all", ".*", "output"})
        EXPECT_EQ(find(new_adapter(*model_, {2, 4.0f, false, targets, 1}).value(), "output.weight"), nullptr);
}

}  // namespace
}  // namespace ql::test
