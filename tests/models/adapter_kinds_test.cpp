// The kinds of adapters: what their files hold, and that training, applying and merging one mean the same weights.
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "models/adapter/compose/compose.hpp"
#include "models/adapter/compose/reduce.hpp"
#include "models/adapter/formats.hpp"
#include "models/adapter_meaning.hpp"

namespace ql::test {
namespace {

class AdapterKinds : public AdapterMeaning, public testing::WithParamInterface<LoraKind> {
  protected:
    AdapterKinds() : AdapterMeaning({5, 17, 99, 3, 42, 8, 120, 64, 77}) {}
    void SetUp() override {
        write_tiny_model(folder_.path("base.gguf"));
        model_ = open("base.gguf");
        ASSERT_TRUE(model_);
        LoraOptions options;
        options.r = 5, options.kind = GetParam();
        auto made = new_adapter(*model_, options);
        ASSERT_TRUE(made.ok()) << made.message();
        adapter_ = std::move(made).value();
    }
    /// As if it had been trained.
    void fill() {
        float next = 0.3f;
        for (LoraMatrix & m : adapter_.matrices) {
            for (float & v : m.b) v = 0.1f * std::sin(next += 0.9f);
            for (float & v : m.magnitude) v *= 1 + 0.2f * std::sin(next += 0.9f);
        }
    }
};

TEST_P(AdapterKinds, ANewOneChangesNothing) {
    const AppliedAdapter applied{&adapter_, 1};
    EXPECT_LE(nmse(logits(*model_, {&applied, 1}), logits(*model_, {})), 1e-11);
}

TEST_P(AdapterKinds, TrainingApplyingAndMergingMeanTheSameWeights) {
    fill();
    const auto base = logits(*model_, {});
    const auto merged = this->merged();
    ASSERT_TRUE(merged);
    const AppliedAdapter applied{&adapter_, 1};
    const auto with = logits(*model_, {&applied, 1});
    EXPECT_GT(nmse(with, base), 1e-3);
    EXPECT_LE(nmse(with, logits(*merged, {})), 1e-9);
    Adapter nothing = new_adapter(*merged, LoraOptions()).value();
    EXPECT_LE(nmse(losses(*model_, adapter_), losses(*merged, nothing)), 1e-9);
}

/// f of the change of the weights, whatever the kind.
TEST_P(AdapterKinds, AFactorScalesTheChangeOfTheWeights) {
    fill();
    const auto base = logits(*model_, {});
    const AppliedAdapter none{&adapter_, 0}, halves[] = {{&adapter_, 0.5f}, {&adapter_, 0.5f}}, whole{&adapter_, 1};
    EXPECT_LE(nmse(logits(*model_, {&none, 1}), base), 1e-11);
    EXPECT_LE(nmse(logits(*model_, halves), logits(*model_, {&whole, 1})), 1e-9);
}

TEST_P(AdapterKinds, FilesKeepTheKindAndEveryBit) {
    fill();
    const std::string path = folder_.path("a.gguf");
    ASSERT_TRUE(save_adapter(adapter_, *model_, path).ok());
    const Adapter read = load_adapter(path, *model_).value();
    ASSERT_EQ(read.matrices.size(), adapter_.matrices.size());
    for (size_t i = 0; i < read.matrices.size(); ++i) {
        const LoraMatrix &x = read.matrices[i], &y = adapter_.matrices[i];
        EXPECT_EQ(x.kind, GetParam());
        EXPECT_TRUE(x.scale == y.scale && x.down() == y.down() && x.b == y.b && x.magnitude == y.magnitude) << x.weight;
    }
    EXPECT_EQ(read.n_parameters(), adapter_.n_parameters());
}

TEST_P(AdapterKinds, OneAtWeightOneComposesToItself) {
    fill();
    const WeightedAdapter one{&adapter_, 1};
    const auto made = compose_adapters({&one, 1}, {});
    ASSERT_TRUE(made.ok()) << made.message();
    const AppliedAdapter x{&*made, 1}, y{&adapter_, 1};
    EXPECT_LE(nmse(logits(*model_, {&x, 1}), logits(*model_, {&y, 1})), 1e-10);
}

INSTANTIATE_TEST_SUITE_P(, AdapterKinds, testing::Values(LoraKind::lora, LoraKind::miss, LoraKind::dora),
                         [](const auto & param) { return std::string(def_of(param.param).name); });

/// Norms that are trained, too, beside plain LoRA.
class AdapterNorms : public AdapterKinds {
  protected:
    void SetUp() override {
        AdapterKinds::SetUp();
        LoraOptions options;
        options.r = 3, options.norms = true;
        adapter_ = new_adapter(*model_, options).value();
    }
    void fill_norms() {
        fill();
        float next = 0;
        for (TrainedNorm & norm : adapter_.norms)
            for (float & v : norm.values) v *= 1 + 0.3f * std::sin(next += 0.7f);
    }
};
INSTANTIATE_TEST_SUITE_P(, AdapterNorms, testing::Values(LoraKind::lora));

TEST_P(AdapterNorms, StartAsTheModels) {
    EXPECT_EQ(adapter_.norms.size(), 2 * 2 + 1u);
    EXPECT_EQ(adapter_.norms.back().weight, "output_norm.weight");
    const AppliedAdapter applied{&adapter_, 1};
    EXPECT_EQ(logits(*model_, {&applied, 1}), logits(*model_, {}));
}

TEST_P(AdapterNorms, AreTrainedAppliedAndMergedAlike) {
    fill_norms();
    const auto merged = this->merged();
    ASSERT_TRUE(merged);
    const AppliedAdapter applied{&adapter_, 1}, halves[] = {{&adapter_, 0.5f}, {&adapter_, 0.5f}};
    const auto with = logits(*model_, {&applied, 1});
    EXPECT_LE(nmse(with, logits(*merged, {})), 1e-9);
    EXPECT_LE(nmse(with, logits(*model_, halves)), 1e-9);
    Adapter nothing = new_adapter(*merged, LoraOptions()).value();
    EXPECT_LE(nmse(losses(*model_, adapter_), losses(*merged, nothing)), 1e-9);
}

TEST_P(AdapterNorms, ComeBackFromAFileAndAreNoSum) {
    fill_norms();
    ASSERT_TRUE(save_adapter(adapter_, *model_, folder_.path("a.gguf")).ok());
    const Adapter read = load_adapter(folder_.path("a.gguf"), *model_).value();
    ASSERT_EQ(read.norms.size(), adapter_.norms.size());
    for (size_t i = 0; i < read.norms.size(); ++i) {
        EXPECT_EQ(read.norms[i].weight, adapter_.norms[i].weight);
        EXPECT_EQ(read.norms[i].values, adapter_.norms[i].values);
    }
    const WeightedAdapter twice{&adapter_, 2};
    EXPECT_EQ(compose_adapters({&twice, 1}, {}).status().code(), QL_UNSUPPORTED);
    adapter_.norms[1].values.resize(5);
    const Status saved = save_adapter(adapter_, *model_, folder_.path("b.gguf"));
    EXPECT_EQ(saved.code(), QL_BAD_FILE);
    EXPECT_NE(saved.message().find("of 5 values is no norm of the model"), std::string::npos) << saved.message();
}

/// The gradient of every norm, against differences of the loss.
TEST_P(AdapterNorms, GradientsAreThoseOfTheLoss) {
    fill_norms();
    StepOptions options;
    options.n_tokens = static_cast<int64_t>(tokens_.size());
    auto step = TrainStep::create(*model_, device_.get(), adapter_, options).value();
    const TokenSample sample{1, tokens_, std::vector<uint8_t>(tokens_.size(), 1)};
    const MicroBatch batch =
        MicroBatch::from_sequences(pack({sample}, {0}, options.n_tokens, true), 1, options.n_tokens, 1);
    float loss = 0;
    ASSERT_TRUE(step->accumulate(batch, 0, 0, 0, &loss).ok());
    const auto sum_of_losses = [&](const Adapter & at) {
        double sum = 0;
        for (const float v : losses(*model_, at)) sum += static_cast<double>(v);
        return sum;
    };
    for (const TrainedParam & p : step->params()) {
        if (p.part) continue;
        std::vector<float> gradient(static_cast<size_t>(ql_tensor_elements(p.sum)));
        ASSERT_EQ(ql_tensor_read(p.sum, gradient.data(), 0, gradient.size() * 4), QL_OK);
        Adapter moved = adapter_;  // along the gradient, where the loss changes most
        double square = 0;
        for (const float g : gradient) square += static_cast<double>(g) * static_cast<double>(g);
        const double size = 0.02 / std::sqrt(square);
        const auto at = [&](double way) {
            for (size_t i = 0; i < gradient.size(); ++i)
                p.values(moved)[i] = static_cast<float>(static_cast<double>(p.values(adapter_)[i]) +
                                                        way * static_cast<double>(gradient[i]));
            return sum_of_losses(moved);
        };
        EXPECT_NEAR((at(size) - at(-size)) / (2 * size) / square, 1, 5e-3) << p.name;
    }
}

class MissAdapter : public AdapterKinds {};
INSTANTIATE_TEST_SUITE_P(, MissAdapter, testing::Values(LoraKind::miss));

TEST_P(MissAdapter, HasNoOtherAThanTheSumsOfTiles) {
    for (const LoraMatrix & m : adapter_.matrices) {
        EXPECT_EQ(m.scale, 1);
        for (int64_t j = 0; j < m.r; ++j)
            for (int64_t i = 0; i < m.k; ++i)
                ASSERT_EQ(m.down()[static_cast<size_t>(j * m.k + i)], i % m.r == j ? 1 : 0);
    }
    LoraMatrix & other = adapter_.matrices[1];
    other.a = *std::exchange(other.fixed_a, nullptr);
    other.a[3] = 0.5f;
    ASSERT_TRUE(save_adapter(adapter_, *model_, folder_.path("a.gguf")).ok());
    const auto read = load_adapter(folder_.path("a.gguf"), *model_);
    EXPECT_EQ(read.status().code(), QL_BAD_FILE);
    EXPECT_NE(read.message().find("is said to be MiSS, but its A is not the fixed one"), std::string::npos)
        << read.message();
}

/// However they came to be: a new one, and those of files.
TEST_P(MissAdapter, HasItsAOnceForAllLinearsOfAShape) {
    const std::string gguf = folder_.path("a.gguf"), peft = folder_.path("peft");
    ASSERT_TRUE(save_adapter(adapter_, *model_, gguf).ok());
    ASSERT_TRUE(save_peft(adapter_, *model_, peft).ok());
    for (const Adapter & a : {adapter_, load_adapter(gguf, *model_).value(), load_adapter(peft, *model_).value()}) {
        std::map<std::pair<int64_t, int64_t>, std::set<const float *>> places;
        for (const LoraMatrix & m : a.matrices) {
            EXPECT_TRUE(m.a.empty()) << m.weight;
            places[{m.k, m.r}].insert(m.down().data());
        }
        EXPECT_EQ(places.size(), 2u);
        for (const auto & [shape, of_shape] : places) EXPECT_EQ(of_shape.size(), 1u) << shape.first;
    }
}

/// A file has one alpha, so where ranks differ a scale other than 1 is read; it goes into B.
TEST_P(MissAdapter, OfDifferentRanksComesBackFromAFile) {
    fill();
    LoraMatrix & m = adapter_.matrices[0];
    m.r = 3;
    def_of(LoraKind::miss).fill(m, {});
    m.b.resize(static_cast<size_t>(m.m * m.r));
    ASSERT_TRUE(save_adapter(adapter_, *model_, folder_.path("a.gguf")).ok());
    const Adapter read = load_adapter(folder_.path("a.gguf"), *model_).value();
    for (const LoraMatrix & got : read.matrices) EXPECT_EQ(got.scale, 1);
    expect_same_meaning(read, adapter_, 1e-6);
}

TEST_P(MissAdapter, IsRefusedWhereTilesWouldBeLongerThanRows) {
    TinyModelOptions narrow;
    narrow.n_ff = 32;
    write_tiny_model(folder_.path("narrow.gguf"), narrow);
    LoraOptions options;
    options.r = 40, options.kind = LoraKind::miss;
    const auto made = new_adapter(*open("narrow.gguf"), options);
    EXPECT_EQ(made.status().code(), QL_INVALID_ARGUMENT);
    EXPECT_NE(made.message().find("MiSS r is 40, but the rows of 'blk.0.ffn_down.weight' have 32 numbers"),
              std::string::npos)
        << made.message();
}

class DoraAdapter : public AdapterKinds {};
INSTANTIATE_TEST_SUITE_P(, DoraAdapter, testing::Values(LoraKind::dora));

/// A new one knows the norms of its base, and of no other.
TEST_P(DoraAdapter, TakesTheNormsOfTheBaseThatItIsTrainedOn) {
    TinyModelOptions louder;
    louder.seed = 77;
    write_tiny_model(folder_.path("other.gguf"), louder);
    const auto other = open("other.gguf");
    ASSERT_TRUE(save_adapter(adapter_, *model_, folder_.path("a.gguf")).ok());
    Adapter read = load_adapter(folder_.path("a.gguf"), *model_).value();
    EXPECT_FALSE(adapter_.matrices[0].base_squares.empty());
    EXPECT_TRUE(read.matrices[0].base_squares.empty());
    EXPECT_EQ(losses(*model_, adapter_), losses(*model_, read));
    EXPECT_EQ(losses(*other, adapter_), losses(*other, read));
    EXPECT_NE(losses(*other, adapter_), losses(*model_, read));
}

/// The norms of the weight's rows, in double precision; the last piece of rows is a short one.
TEST_P(DoraAdapter, StartsWithTheNormsOfTheRows) {
    TinyModelOptions odd;
    odd.n_ff = 160;
    write_tiny_model(folder_.path("odd.gguf"), odd);
    const auto model = open("odd.gguf");
    LoraOptions options;
    options.r = 2, options.kind = LoraKind::dora;
    const Adapter made = new_adapter(*model, options).value();
    for (const LoraMatrix & m : made.matrices) {
        const auto * w = static_cast<const float *>(model->find(m.weight)->data);
        for (int64_t row = 0; row < m.m; ++row) {
            double sum = 0;
            for (int64_t j = 0; j < m.k; ++j) sum += std::pow(static_cast<double>(w[row * m.k + j]), 2);
            ASSERT_NEAR(m.magnitude[static_cast<size_t>(row)], std::sqrt(sum), 1e-6 * std::sqrt(sum)) << m.weight;
        }
    }
}

TEST_P(DoraAdapter, IsNoSumOfMatrices) {
    fill();
    const WeightedAdapter half{&adapter_, 0.5}, two[] = {{&adapter_, 1}, {&adapter_, 1}};
    for (const auto & made : {compose_adapters({&half, 1}, {}), compose_adapters(two, {})}) {
        EXPECT_EQ(made.status().code(), QL_UNSUPPORTED);
        EXPECT_NE(made.message().find("a DoRA scales the rows of its base"), std::string::npos);
    }
}

TEST_P(DoraAdapter, IsPrunedByNameAndNotByNorms) {
    EXPECT_EQ(resize_adapter(adapter_, {2, 1, 1}, nullptr).status().code(), QL_UNSUPPORTED);
    EXPECT_EQ(prune_adapter(adapter_, {"", 0, 0.9}, nullptr).status().code(), QL_UNSUPPORTED);
    EXPECT_EQ(prune_adapter(adapter_, {"", 1, 1}, nullptr).status().code(), QL_UNSUPPORTED);
    const auto pruned = prune_adapter(adapter_, {"attn_q", 0, 1}, nullptr);
    ASSERT_TRUE(pruned.ok()) << pruned.message();
    EXPECT_LT(pruned->matrices.size(), adapter_.matrices.size());
    for (const LoraMatrix & m : pruned->matrices) EXPECT_FALSE(m.magnitude.empty());
}

/// Magnitudes alone change a weight.
TEST_P(DoraAdapter, IsTrainedWhateverItsBranchHolds) {
    LoraMatrix m = adapter_.matrices[0];
    m.b.assign(m.b.size(), 0), m.a[0] += 1;
    EXPECT_EQ(matrix_state(adapter_.origin, m), MatrixState::kTrained);
    m.scale = 0;
    EXPECT_EQ(matrix_state(adapter_.origin, m), MatrixState::kTrained);
}

TEST_P(DoraAdapter, ComposesAloneOnlyAsItIs) {
    const WeightedAdapter alone[] = {{&adapter_, 1.0}};
    EXPECT_TRUE(compose_adapters(alone, {"svd"}).ok());
    EXPECT_EQ(compose_adapters(alone, {"svd", 2}).status().code(), QL_UNSUPPORTED);
    EXPECT_EQ(compose_adapters(alone, {"ties", 0, 0.5}).status().code(), QL_UNSUPPORTED);
}

TEST_P(MissAdapter, ResizedIsAPlainLora) {
    fill();
    const Adapter same = resize_adapter(adapter_, {5, 1, 1}, nullptr).value();
    for (const LoraMatrix & m : same.matrices) {
        EXPECT_EQ(m.kind, LoraKind::lora);
        EXPECT_EQ(m.a.size(), static_cast<size_t>(m.k * m.r)) << "its own";
    }
    EXPECT_TRUE(check_adapter(same, model_.get()).ok());
    expect_same_meaning(same, adapter_, 1e-6);
}

TEST_P(DoraAdapter, WithoutItsMagnitudesIsRefused) {
    adapter_.matrices[2].magnitude.clear();
    const Status saved = save_adapter(adapter_, *model_, folder_.path("a.gguf"));
    EXPECT_EQ(saved.code(), QL_BAD_SHAPE);
    EXPECT_NE(saved.message().find("has 0 magnitudes"), std::string::npos) << saved.message();
}

TEST(KindOfAdapter, IsOneOfAList) {
    ModelPtr model;
    const TemporaryFolder folder;
    ASSERT_EQ(ql_model_open(write_tiny_model(folder.path("m.gguf")).c_str(), nullptr, out(model)), QL_OK);
    auto options = defaults<ql_lora_options>();
    options.kind = "loha";
    AdapterPtr adapter;
    EXPECT_EQ(ql_adapter_create(model.get(), &options, out(adapter)), QL_INVALID_ARGUMENT);
    EXPECT_STREQ(ql_error_message(), "a LoRA of kind 'loha' is not known; lora, miss, dora are");
    options.kind = "miss", options.alpha_pattern = "attn_q=8";
    EXPECT_EQ(ql_adapter_create(model.get(), &options, out(adapter)), QL_INVALID_ARGUMENT);
    EXPECT_STREQ(ql_error_message(), "LoRA alpha pattern has no meaning with a MiSS, whose scale is 1");
    options.alpha_pattern = nullptr, options.rslora = 1;
    EXPECT_EQ(ql_adapter_create(model.get(), &options, out(adapter)), QL_INVALID_ARGUMENT);
    EXPECT_STREQ(ql_error_message(), "rslora has no meaning with a MiSS, whose scale is 1");
    options.kind = "dora", options.rslora = 0;
    ASSERT_EQ(ql_adapter_create(model.get(), &options, out(adapter)), QL_OK);
    auto info = sized<ql_adapter_info>();
    ASSERT_EQ(ql_adapter_describe(adapter.get(), &info), QL_OK);
    EXPECT_STREQ(info.kind, "dora");
}

}  // namespace
}  // namespace ql::test
