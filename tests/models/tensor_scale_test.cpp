// All that is made of a model whose tensors have scales apart is as of the f32 model of the same values: what adapters do,
// gradients, merges.
#include <cmath>

#include "models/adapters.hpp"
#include "models/adapter/compose/extract.hpp"
#include "models/adapter/merge.hpp"
#include "models/infer/engine.hpp"
#include "models/infer/evaluate.hpp"
#include "models/scaled_model.hpp"
#include "models/train/merge_aware.hpp"
#include "models/train/step.hpp"
#include "ql/quantize.h"

namespace ql::test {
namespace {

class TensorScales : public ScaledModel {
  protected:
    /// An adapter of a kind whose numbers all count.
    Adapter adapter(LoraKind kind = LoraKind::lora) const {
        LoraOptions options;
        options.r = 4, options.kind = kind;
        Adapter made = new_adapter(*plain_, options).value();
        float next = 0;
        for (LoraMatrix & m : made.matrices)
            for (float & v : m.b) v = 0.02f * std::sin(next += 1);
        return made;
    }

    static MicroBatch batch(int64_t n) {
        std::vector<int32_t> ids = some_tokens();
        ids.resize(static_cast<size_t>(n));
        const TokenSample sample{1, ids, std::vector<uint8_t>(ids.size(), 1)};
        return MicroBatch::from_sequences(ql::pack({sample}, {0}, n, true), 1, n, 1.0f / static_cast<float>(n - 1));
    }

    /// The gradients of all that is trained, one after the other; the loss last.
    std::vector<float> gradients(const Model & model, const Adapter & adapter) const {
        constexpr int64_t kTokens = 24;
        auto step = TrainStep::create(model, device_.get(), adapter, {.n_tokens = kTokens});
        if (!step.ok()) ADD_FAILURE() << step.message();
        if (!step.ok()) return {};
        float loss = 0;
        EXPECT_TRUE((*step)->accumulate(batch(kTokens), 0, 0, 0, &loss).ok());
        std::vector<float> all;
        for (const TrainedParam & p : (*step)->params()) {
            std::vector<float> sum(static_cast<size_t>(ql_tensor_elements(p.sum)));
            EXPECT_EQ(ql_tensor_read(p.sum, sum.data(), 0, sum.size() * 4), QL_OK);
            all.insert(all.end(), sum.begin(), sum.end());
        }
        all.push_back(loss);
        return all;
    }

    double nll(const Model & model, const std::vector<AppliedAdapter> & adapters) const {
        Dataset data;
        const std::vector<int32_t> ids = some_tokens();
        data.samples.push_back({1, ids, std::vector<uint8_t>(ids.size(), 1)});
        const auto result = evaluate_dataset(model, device_.get(), adapters, data, 64);
        EXPECT_TRUE(result.ok()) << result.message();
        return result.ok() ? result->nll : 0;
    }
};

TEST_F(TensorScales, TheLossIsThatOfTheValues) {
    EXPECT_NEAR(nll(*scaled_, {}), nll(*plain_, {}), 1e-5);
}

TEST_F(TensorScales, AnAdapterActsAsOnTheValues) {
    for (const LoraKind kind : {LoraKind::lora, LoraKind::miss, LoraKind::dora}) {
        const Adapter a = adapter(kind);
        const std::vector<AppliedAdapter> applied = {{&a, 0.5f}};
        EXPECT_NEAR(nll(*scaled_, applied), nll(*plain_, applied), 1e-5);
        EXPECT_GT(std::fabs(nll(*scaled_, applied) - nll(*scaled_, {})), 1e-4);
    }
}

TEST_F(TensorScales, ASequencesAdaptersActAsOnTheValues) {
    const Adapter a = adapter();
    const Adapter * const list[] = {&a};
    const float factor[] = {0.75f};
    std::vector<float> logits[2];
    for (const Model * model : {scaled_.get(), plain_.get()}) {
        auto engine = Engine::create(*model, device_.get(), list, {.ctx = 64, .cache_type = QL_F32});
        ASSERT_TRUE(engine.ok()) << engine.message();
        ASSERT_TRUE((*engine)->set_factors(0, factor).ok());
        const std::vector<int32_t> ids = some_tokens();
        const SequenceTokens tokens[] = {{0, ids}};
        ASSERT_TRUE((*engine)->read(tokens).ok());
        logits[model == plain_.get()].assign((*engine)->logits(0).begin(), (*engine)->logits(0).end());
    }
    EXPECT_LE(nmse(logits[0], logits[1]), 1e-10);
}

TEST_F(TensorScales, AnAdapterOfTheHeadActsAsOnTheValues) {
    LoraMatrix head{"output.weight", golden_->head().ne[0], golden_->head().ne[1], 2, 1.5f, {}, {}};
    for (int64_t i = 0; i < head.k * head.r; ++i) head.a.push_back(0.02f * static_cast<float>(i % 7 - 3));
    for (int64_t i = 0; i < head.m * head.r; ++i) head.b.push_back(0.3f * static_cast<float>(i % 5 - 2));
    Adapter a;
    a.architecture = "llama", a.matrices = {head};
    EXPECT_NEAR(nll(*scaled_, {{&a, 1.0f}}), nll(*plain_, {{&a, 1.0f}}), 1e-5);
    EXPECT_GT(std::fabs(nll(*scaled_, {{&a, 1.0f}}) - nll(*scaled_, {})), 1e-3);
}

TEST_F(TensorScales, TheGradientIsThatOfTheValues) {
    for (const LoraKind kind : {LoraKind::lora, LoraKind::miss, LoraKind::dora}) {
        const Adapter a = adapter(kind);
        EXPECT_LE(nmse(gradients(*scaled_, a), gradients(*plain_, a)), 1e-9) << static_cast<int>(kind);
    }
}

TEST_F(TensorScales, RowsOfTokensStandInTheHeadAsOnTheValues) {
    LoraOptions options;
    options.r = 2, options.targets = "attn_q";
    Adapter a = new_adapter(*plain_, options).value();
    a.rows.push_back(
        {"output.weight", {5, 42}, std::vector<float>(static_cast<size_t>(2 * golden_->head().ne[0]), 0.1f)});
    EXPECT_LE(nmse(gradients(*scaled_, a), gradients(*plain_, a)), 1e-9);
    EXPECT_NEAR(nll(*scaled_, {{&a, 1.0f}}), nll(*plain_, {{&a, 1.0f}}), 1e-5);
}

TEST_F(TensorScales, AMergeIsThatOfTheValues) {
    const Adapter a = adapter();
    ql_quantize_options options;
    ql_quantize_options_init(&options);
    options.type = QL_Q8_0, options.embedding_type = QL_BASE_KEEP;
    std::map<std::string, std::string> merged[2];
    for (const char * name : {"scaled", "plain"}) {
        const std::string path = folder_.path(name), out = path + "-merged.gguf";
        const Status status = merge_adapter(a, path + ".gguf", out, options, BaseRule::kAny);
        ASSERT_TRUE(status.ok()) << status.message();
        merged[*name == 'p'] = tensors(out);
        merged[*name == 'p'].erase("output.weight");  // it has no branch, and is kept
    }
    EXPECT_EQ(merged[0].erase("output.scale") + merged[0].erase("output.input_scale"), 2u);
    EXPECT_EQ(merged[0], merged[1]);
}

TEST_F(TensorScales, ToKeepTheTypeOfAMergedWeightIsQ8) {
    const Adapter a = adapter();
    ql_quantize_options options;
    ql_quantize_options_init(&options);
    options.type = QL_BASE_KEEP, options.embedding_type = QL_BASE_KEEP;
    ASSERT_TRUE(merge_adapter(a, folder_.path("scaled.gguf"), folder_.path("m.gguf"), options, BaseRule::kAny).ok());
    const auto model = open(folder_.path("m.gguf"));
    EXPECT_EQ(model->find("blk.0.attn_q.weight")->dtype, QL_Q8_0);
    EXPECT_EQ(model->find("blk.0.attn_q.weight")->scale, 1);
    EXPECT_NEAR(nll(*model, {}), nll(*plain_, {{&a, 1.0f}}), 0.02);
}

TEST_F(TensorScales, NothingIsBetweenTheModels) {
    const auto made = extract_adapter(*plain_, *scaled_, {.rank = 2}, {});
    ASSERT_FALSE(made.ok()) << "none of the linears differs";
    EXPECT_EQ(made.code(), QL_BAD_FILE) << made.message();
}

TEST_F(TensorScales, TrainingForAMergeIsRefused) {
    Adapter a = adapter();
    ql_train_options options;
    ql_train_options_init(&options);
    options.merge_type = QL_Q8_0;
    const auto targets = prepare_merge(*scaled_, a, options);
    ASSERT_FALSE(targets.ok());
    EXPECT_NE(targets.message().find("'blk.0.attn_q.weight' has a scale of the whole tensor"), std::string::npos)
        << targets.message();
}

}  // namespace
}  // namespace ql::test
