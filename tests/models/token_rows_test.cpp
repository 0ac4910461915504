// Rows of tokens that an adapter has of its own: training, applying and merging mean the same weights, of tied and untied
// models; files keep them; what is wrong with them is named.
#include "models/adapter/token_rows.hpp"

#include <cmath>

#include "models/adapter/compose/compose.hpp"
#include "models/adapter_meaning.hpp"
#include "models/infer/evaluate.hpp"
#include "models/trainer_fixture.hpp"

namespace ql::test {
namespace {

class TokenRowsOf : public AdapterMeaning, public testing::WithParamInterface<bool> {
  protected:
    TokenRowsOf() : AdapterMeaning({5, 17, 99, 3, 17, 8, 120, 5, 77}) {}  // some are of the rows, and targets too
    void SetUp() override {
        TinyModelOptions tiny;
        tiny.tied = GetParam();
        write_tiny_model(folder_.path("base.gguf"), tiny);
        model_ = open("base.gguf");
        ASSERT_TRUE(model_);
        LoraOptions options;
        options.r = 3, options.tokens = "17,<|im_end|>,5";
        auto made = new_adapter(*model_, options);
        ASSERT_TRUE(made.ok()) << made.message();
        adapter_ = std::move(made).value();
    }
    /// As if it had been trained.
    void fill() {
        float next = 0.3f;
        for (LoraMatrix & m : adapter_.matrices)
            for (float & v : m.b) v = 0.1f * std::sin(next += 0.9f);
        for (TokenRows & rows : adapter_.rows)
            for (float & v : rows.values) v += 0.2f * std::sin(next += 0.7f);
    }
    double mean_loss(const Model & model, std::span<const AppliedAdapter> adapters) const {
        Dataset data;
        data.path = "data";
        data.samples = {{1, tokens_, std::vector<uint8_t>(tokens_.size(), 1)}};
        const auto likelihood = evaluate_dataset(model, device_.get(), adapters, data, 16);
        EXPECT_TRUE(likelihood.ok()) << likelihood.message();
        return likelihood.ok() ? likelihood->nll : 0;
    }
};
INSTANTIATE_TEST_SUITE_P(, TokenRowsOf, testing::Bool(),
                         [](const auto & param) { return std::string(param.param ? "Tied" : "Untied"); });

TEST_P(TokenRowsOf, StartAsTheModelsAndAreOfAnUntiedHeadToo) {
    ASSERT_EQ(adapter_.rows.size(), GetParam() ? 1u : 2u);
    const int32_t end = model_->tokenizer()->special_token("<|im_end|>");
    for (const TokenRows & rows : adapter_.rows) {
        EXPECT_EQ(rows.ids, (std::vector<int32_t>{5, 17, end}));
        EXPECT_EQ(rows, rows_of(*model_, rows.weight, rows.ids).value());
    }
    EXPECT_EQ(adapter_.rows[0].weight, "token_embd.weight");
    EXPECT_EQ(adapter_.rows.back().weight, model_->head().name);
    const AppliedAdapter applied{&adapter_, 1};
    EXPECT_LE(nmse(logits(*model_, {&applied, 1}), logits(*model_, {})), 1e-12);
}

TEST_P(TokenRowsOf, AreTrainedAppliedEvaluatedAndMergedAlike) {
    fill();
    const auto merged = this->merged();
    ASSERT_TRUE(merged);
    const AppliedAdapter applied{&adapter_, 1}, halves[] = {{&adapter_, 0.5f}, {&adapter_, 0.5f}};
    const auto with = logits(*model_, {&applied, 1});
    EXPECT_GT(nmse(with, logits(*model_, {})), 1e-2);
    EXPECT_LE(nmse(with, logits(*merged, {})), 1e-9);
    EXPECT_LE(nmse(with, logits(*model_, halves)), 1e-9);
    Adapter nothing = new_adapter(*merged, LoraOptions()).value();
    EXPECT_LE(nmse(losses(*model_, adapter_), losses(*merged, nothing)), 1e-9);
    EXPECT_NEAR(mean_loss(*model_, {&applied, 1}), mean_loss(*merged, {}), 1e-5);
}

/// Embeddings are those of the merged model to the last bit, not only nearly.
TEST_P(TokenRowsOf, ReplaceEmbeddingsWithoutRounding) {
    fill();
    adapter_.rows[0].values[3] = 1e-8f;  // far smaller than what it replaces
    const AppliedAdapter applied{&adapter_, 1};
    const AppliedParts parts = apply_parts(*model_, device_.get(), {&applied, 1}).value();
    GraphPtr g;
    ASSERT_EQ(ql_graph_create(out(g)), QL_OK);
    GraphBuilder b(*model_, g.get());
    attach_adapters(b, {&applied, 1}, parts);
    const StreamInputs & in = b.start_stream(static_cast<int64_t>(tokens_.size()));
    ql_tensor * x = b.embed();
    const PlanPtr plan = make_plan(g, device_.get(), {&x, 1}).value();
    ASSERT_TRUE(write_tensor(in.tokens, tokens_).ok());
    ASSERT_TRUE(write_tensor(in.slots, slots_of(in.own_ids, tokens_)).ok());
    ASSERT_EQ(ql_plan_run(plan.get()), QL_OK);
    std::vector<float> rows(64 * tokens_.size());
    ASSERT_TRUE(read_output(plan, x, rows).ok());
    EXPECT_EQ(std::vector<float>(rows.begin(), rows.begin() + 64),
              std::vector<float>(adapter_.rows[0].values.begin(), adapter_.rows[0].values.begin() + 64));
    EXPECT_EQ(std::vector<float>(rows.begin() + 2 * 64, rows.begin() + 3 * 64),
              rows_of(*model_, "token_embd.weight", {99}).value().values);
}

/// A second adapter has rows of other tokens, and one of the same; both count.
TEST_P(TokenRowsOf, OfSeveralAdaptersAddUp) {
    fill();
    LoraOptions options;
    options.r = 3, options.tokens = "17,99";
    Adapter other = new_adapter(*model_, options).value();
    for (TokenRows & rows : other.rows)
        for (float & v : rows.values) v -= 0.1f;
    Adapter both = adapter_;
    for (size_t t = 0; t < both.rows.size(); ++t) {
        TokenRows sum = rows_of(*model_, both.rows[t].weight, {5, 17, 99, both.rows[t].ids[2]}).value();
        const TokenRows base = sum;
        const auto add = [&](const TokenRows & own, size_t from, size_t to) {
            for (size_t i = 0; i < 64; ++i)
                sum.values[to * 64 + i] += own.values[from * 64 + i] - base.values[to * 64 + i];
        };
        add(adapter_.rows[t], 0, 0), add(adapter_.rows[t], 1, 1), add(adapter_.rows[t], 2, 3);
        add(other.rows[t], 0, 1), add(other.rows[t], 1, 2);
        both.rows[t] = sum;
    }
    const AppliedAdapter two[] = {{&adapter_, 1}, {&other, 1}}, one{&both, 1};
    EXPECT_LE(nmse(logits(*model_, two), logits(*model_, {&one, 1})), 1e-9);
    EXPECT_NEAR(mean_loss(*model_, two), mean_loss(*model_, {&one, 1}), 1e-5);
}

/// Another adapter's branch on the head goes on top of the rows, in a session as in an evaluation.
TEST_P(TokenRowsOf, StandBesideABranchOnTheHead) {
    if (GetParam()) GTEST_SKIP() << "a tied head takes no branch";
    fill();
    Adapter branch = new_adapter(*model_, LoraOptions()).value();
    branch.matrices.resize(1);
    branch.matrices[0] = {"output.weight", 64, model_->hparams().n_vocab, 1, 1.0f, {}, {}};
    branch.matrices[0].a.assign(64, 0.05f);
    for (int64_t i = 0; i < branch.matrices[0].m; ++i) branch.matrices[0].b.push_back(std::sin(static_cast<float>(i)));
    const AppliedAdapter two[] = {{&adapter_, 1}, {&branch, 1}}, on_top{&branch, 1};
    const auto merged = this->merged();
    ASSERT_TRUE(merged);
    EXPECT_LE(nmse(logits(*model_, two), logits(*merged, {&on_top, 1})), 1e-9);
    EXPECT_NEAR(mean_loss(*model_, two), mean_loss(*merged, {&on_top, 1}), 1e-5);
}

/// The gradient of the rows, against differences of the loss.
TEST_P(TokenRowsOf, GradientsAreThoseOfTheLoss) {
    fill();
    const auto s = step(*model_, adapter_, true);
    ASSERT_TRUE(s);
    float loss = 0;
    ASSERT_TRUE(s->accumulate(batch(), 0, 0, 0, &loss).ok());
    const auto sum_of_losses = [&](const Adapter & at) {
        double sum = 0;
        for (const float v : losses(*model_, at)) sum += static_cast<double>(v);
        return sum;
    };
    size_t checked = 0;
    for (const TrainedParam & p : s->params()) {
        if (p.of != TrainedParam::Of::rows) continue;
        ++checked;
        std::vector<float> gradient(static_cast<size_t>(ql_tensor_elements(p.sum)));
        ASSERT_TRUE(read_tensor(p.sum, gradient).ok());
        for (size_t row = 0; row < 2; ++row) {  // the third is in no text
            double square = 0;
            for (size_t i = row * 64; i < row * 64 + 64; ++i)
                square += static_cast<double>(gradient[i]) * static_cast<double>(gradient[i]);
            const double size = 0.02 / std::sqrt(square);
            const auto at = [&](double way) {
                Adapter moved = adapter_;  // along the row's gradient, where the loss changes most
                for (size_t i = row * 64; i < row * 64 + 64; ++i)
                    p.values(moved)[i] += static_cast<float>(way * static_cast<double>(gradient[i]));
                return sum_of_losses(moved);
            };
            EXPECT_NEAR((at(size) - at(-size)) / (2 * size) / square, 1, 5e-3) << p.name << " " << row;
        }
    }
    EXPECT_EQ(checked, adapter_.rows.size());
}

TEST_P(TokenRowsOf, ComeBackFromFiles) {
    fill();
    ASSERT_TRUE(save_adapter(adapter_, *model_, folder_.path("a.gguf")).ok());
    EXPECT_EQ(load_adapter(folder_.path("a.gguf"), *model_).value().rows, adapter_.rows);
    const Status saved = save_peft(adapter_, *model_, folder_.path("peft"));
    ASSERT_TRUE(saved.ok()) << saved.message();
    const Adapter back = load_adapter(folder_.path("peft"), *model_).value();
    EXPECT_EQ(back.rows, adapter_.rows);
    ASSERT_TRUE(save_adapter(back, *model_, folder_.path("b.gguf")).ok());
    EXPECT_EQ(read_all(folder_.path("a.gguf")), read_all(folder_.path("b.gguf")));
}

TEST_P(TokenRowsOf, BesideAMissHaveNoPlaceInPeft) {
    LoraOptions options;
    options.r = 3, options.tokens = "5", options.kind = LoraKind::miss;
    const Adapter miss = new_adapter(*model_, options).value();
    const Status saved = save_peft(miss, *model_, folder_.path("peft"));
    EXPECT_EQ(saved.code(), QL_UNSUPPORTED);
    EXPECT_NE(saved.message().find("MissConfig has no trainable_token_indices"), std::string::npos) << saved.message();
}

TEST_P(TokenRowsOf, AreNoSumOfMatrices) {
    const WeightedAdapter twice{&adapter_, 2};
    const auto made = compose_adapters({&twice, 1}, {});
    EXPECT_EQ(made.status().code(), QL_UNSUPPORTED);
    EXPECT_NE(made.message().find("rows of tokens replace those of the base"), std::string::npos) << made.message();
    const WeightedAdapter once{&adapter_, 1};
    EXPECT_EQ(compose_adapters({&once, 1}, {}).value().rows, adapter_.rows);
}

/// The rows beside a trained one keep their bytes where the type of the embedding stays; here one in which encoding
/// again what was decoded does not give the same.
TEST_P(TokenRowsOf, AMergeLeavesOtherRowsAsTheyAre) {
    fill();
    const std::string base = folder_.path("base.gguf"), q4 = folder_.path("q4.gguf");
    auto options = defaults<ql_quantize_options>();
    options.type = QL_F32, options.embedding_type = QL_Q4_0;
    ASSERT_EQ(ql_quantize(base.c_str(), q4.c_str(), &options), QL_OK) << ql_error_message();
    const Status merged = merge_adapter(adapter_, q4, folder_.path("m.gguf"), options);
    ASSERT_TRUE(merged.ok()) << merged.message();
    const auto before = open("q4.gguf"), after = open("m.gguf");
    ASSERT_TRUE(before && after);
    for (const TokenRows & rows : adapter_.rows) {
        const Weight &x = *before->find(rows.weight), &y = *after->find(rows.weight);
        ASSERT_EQ(y.dtype, QL_Q4_0);
        const size_t bytes = ql_dtype_bytes(QL_Q4_0, 64);
        int64_t changed = 0;
        for (int64_t i = 0; i < x.ne[1]; ++i)
            changed += std::memcmp(static_cast<const char *>(x.data) + static_cast<size_t>(i) * bytes,
                                   static_cast<const char *>(y.data) + static_cast<size_t>(i) * bytes, bytes) != 0;
        EXPECT_EQ(changed, 3);
    }
}

/// The same model with its embedding in a type that can be read, not written.
void write_with_q2_k_embedding(const std::string & from, const std::string & to) {
    GgufPtr file;
    GgufWriterPtr writer;
    ASSERT_EQ(ql_gguf_open(from.c_str(), out(file)), QL_OK);
    ASSERT_EQ(ql_gguf_writer_create(out(writer)), QL_OK);
    ASSERT_EQ(ql_gguf_copy_keys(writer.get(), file.get()), QL_OK);
    std::vector<std::byte> zeros;
    for (int64_t i = 0; i < ql_gguf_n_tensors(file.get()); ++i) {
        ql_gguf_tensor t{};
        ASSERT_EQ(ql_gguf_tensor_at(file.get(), i, &t), QL_OK);
        if (std::string(t.name) == "token_embd.weight") {
            zeros.resize(ql_dtype_bytes(QL_Q2_K, t.ne[0] * t.ne[1]));
            t.dtype = QL_Q2_K, t.data = zeros.data();
        }
        ASSERT_EQ(ql_gguf_add_tensor(writer.get(), t.name, t.dtype, t.n_dims, t.ne, t.data), QL_OK);
    }
    ASSERT_EQ(ql_gguf_write(writer.get(), to.c_str()), QL_OK);
}

TEST(TokenRowsOfAnEmbedding, ThatCanOnlyBeReadAreMergedIntoQ8) {
    const TemporaryFolder folder;
    TinyModelOptions wide;
    wide.n_embd = 256;
    write_with_q2_k_embedding(write_tiny_model(folder.path("wide.gguf"), wide), folder.path("base.gguf"));
    const ql_model_options keep{sizeof(ql_model_options), QL_BASE_KEEP, QL_BASE_KEEP};
    const auto model = open_model(folder.path("base.gguf"), keep);
    ASSERT_TRUE(model.ok()) << model.message();
    LoraOptions lora;
    lora.tokens = "7";
    Adapter adapter = new_adapter(**model, lora).value();
    for (float & v : adapter.rows[0].values) v = 0.5f;
    auto options = defaults<ql_quantize_options>();
    options.type = QL_F32;
    const Status merged = merge_adapter(adapter, folder.path("base.gguf"), folder.path("m.gguf"), options);
    ASSERT_TRUE(merged.ok()) << merged.message();
    const auto after = open_model(folder.path("m.gguf"), keep);
    ASSERT_TRUE(after.ok()) << after.message();
    EXPECT_EQ((*after)->find("token_embd.weight")->dtype, QL_Q8_0);
    const TokenRows changed = rows_of(**after, "token_embd.weight", {7}).value();
    const TokenRows other = rows_of(**after, "token_embd.weight", {8}).value();
    for (const float v : changed.values) EXPECT_NEAR(v, 0.5f, 1e-3);
    for (const float v : other.values) EXPECT_EQ(v, 0);
}

TEST_P(TokenRowsOf, OfUnknownTokensAreRefusedByName) {
    const auto refused = [&](const char * tokens) {
        LoraOptions options;
        options.r = 3, options.tokens = tokens;
        const auto made = new_adapter(*model_, options);
        EXPECT_EQ(made.status().code(), QL_INVALID_ARGUMENT) << tokens;
        return made.message();
    };
    const std::string most = std::to_string(model_->hparams().n_vocab - 1);
    EXPECT_EQ(
        refused("5,<|tool|>"),
        "train tokens: '<|tool|>' is no token of the model; a new one must be added to the model first (many have "
        "reserved ones that are unused)");
    EXPECT_EQ(refused("100000"), "train tokens: the model has no token 100000, 0 to " + most + " are possible");
    EXPECT_EQ(refused("-1"), "train tokens: the model has no token -1, 0 to " + most + " are possible");
    EXPECT_NE(refused("5,,7").find("'' is no token"), std::string::npos);
}

TEST_P(TokenRowsOf, ThatAreUnsoundAreRefusedByName) {
    const auto refused = [&](const char * what, auto spoil) {
        Adapter bad = adapter_;
        spoil(bad.rows[0]);
        const Status saved = save_adapter(bad, *model_, folder_.path("bad.gguf"));
        EXPECT_FALSE(saved.ok());
        EXPECT_NE(saved.message().find(what), std::string::npos) << saved.message();
    };
    refused("token 5 comes after 17", [](TokenRows & r) { std::swap(r.ids[0], r.ids[1]); });
    refused("token 17 comes after 17", [](TokenRows & r) { r.ids[0] = 17; });
    refused("token 100000; 0 to", [](TokenRows & r) { r.ids[2] = 100000; });
    refused("hold nan at element 70", [](TokenRows & r) { r.values[70] = NAN; });
    refused("191 values for 3 tokens", [](TokenRows & r) { r.values.pop_back(); });
    refused("have 32 values, those of the model 'tiny' have 64", [](TokenRows & r) { r.values.resize(96); });
    refused("only embedding and head have rows", [](TokenRows & r) { r.weight = "blk.0.attn_q.weight"; });
    if (GetParam())
        refused("the head of the model 'tiny' is its embedding", [](TokenRows & r) { r.weight = "output.weight"; });
}

class TokenRowsRun : public TrainerFixture {};

TEST_F(TokenRowsRun, AResumedRunGivesTheSameBits) {
    tokens_ = "<|im_end|>,the,7";
    const std::string dir = folder_.path("ck");
    ql_train_options o = options();
    const std::vector<float> straight = train(o);
    EXPECT_EQ(train(o, 3), straight);
    o.checkpoint_dir = dir.c_str();
    train_six_steps(o);
    o.resume = "auto";
    std::string resumed;
    EXPECT_EQ(train(o, 3, nullptr, &resumed), straight);
    EXPECT_NE(resumed.find("step-00000006"), std::string::npos) << resumed;
    tokens_ = "<|im_end|>,the,8";
    EXPECT_NE(start(o).message().find("--train-tokens, --alora-invocation or a pattern)"), std::string::npos)
        << start(o).message();
}

TEST_F(TokenRowsRun, AreNotTrainedForAMerge) {
    tokens_ = "7";
    ql_train_options o = options();
    o.merge_type = QL_NF4_DQ;
    const Status status = start(o);
    EXPECT_EQ(status.code(), QL_UNSUPPORTED);
    EXPECT_NE(status.message().find("has rows of tokens, which a merge rounds"), std::string::npos) << status.message();
}

}  // namespace
}  // namespace ql::test
