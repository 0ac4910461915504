// What an adapter means, by every way that computes with it: applied in a session, in training's evaluation, and merged.
#pragma once
#include "models/adapter/merge.hpp"
#include "models/adapters.hpp"
#include "models/infer/session.hpp"
#include "models/train/step.hpp"
#include "ql/models.hpp"
#include "support/temporary_folder.hpp"
#include "support/tiny_model.hpp"

namespace ql::test {

/// Tests fill in model_, of base.gguf in the folder, adapter_, and the tokens that are read.
class AdapterMeaning : public testing::Test {
  protected:
    explicit AdapterMeaning(std::vector<int32_t> tokens) : tokens_(std::move(tokens)) {}

    std::unique_ptr<Model> open(const std::string & name) const {
        auto model = open_model(folder_.path(name), {sizeof(ql_model_options), QL_BASE_KEEP, QL_BASE_KEEP});
        if (!model.ok()) ADD_FAILURE() << model.message();
        return model.ok() ? std::move(model).value() : nullptr;
    }
    std::vector<float> logits(const Model & model, std::span<const AppliedAdapter> adapters) const {
        auto session = Session::create(model, device_.get(), adapters, 32, QL_F32);
        if (!session.ok()) ADD_FAILURE() << session.message();
        if (!session.ok() || !(*session)->eval(tokens_).ok()) return {};
        const auto values = (*session)->logits();
        return {values.begin(), values.end()};
    }
    MicroBatch batch() const {
        const TokenSample sample{1, tokens_, std::vector<uint8_t>(tokens_.size(), 1)};
        const auto n = static_cast<int64_t>(tokens_.size());
        return MicroBatch::from_sequences(pack({sample}, {0}, n, true), 1, n, 1);
    }
    std::unique_ptr<TrainStep> step(const Model & model, const Adapter & adapter, bool train) const {
        StepOptions options;
        options.n_tokens = static_cast<int64_t>(tokens_.size());
        options.train = train;
        auto made = TrainStep::create(model, device_.get(), adapter, options);
        if (!made.ok()) ADD_FAILURE() << made.message();
        return made.ok() ? std::move(made).value() : nullptr;
    }
    /// The losses that training's evaluation sees.
    std::vector<float> losses(const Model & model, const Adapter & adapter) const {
        std::vector<float> nll;
        const auto s = step(model, adapter, false);
        EXPECT_TRUE(s && s->evaluate(batch(), nll).ok());
        return nll;
    }
    std::unique_ptr<Model> merged(ql_dtype embeddings = QL_F32) const {
        auto options = defaults<ql_quantize_options>();
        options.type = QL_F32, options.embedding_type = embeddings;
        const Status s = merge_adapter(adapter_, folder_.path("base.gguf"), folder_.path("merged.gguf"), options);
        EXPECT_TRUE(s.ok()) << s.message();
        return open("merged.gguf");
    }

    TemporaryFolder folder_;
    std::unique_ptr<Model> model_;
    DevicePtr device_{open_cpu(QL_COMPUTE_F32)};
    Adapter adapter_;
    const std::vector<int32_t> tokens_;
};

}  // namespace ql::test
