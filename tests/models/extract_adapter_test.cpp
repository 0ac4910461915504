// The difference of two models as an adapter: what was merged comes out again, what cannot be in an adapter is named.
#include "models/adapter/compose/extract.hpp"

#include <map>

#include "models/adapter/merge.hpp"
#include "models/adapters.hpp"
#include "ql/models.hpp"
#include "support/temporary_folder.hpp"
#include "support/tiny_model.hpp"

namespace ql::test {
namespace {

class ExtractAdapter : public testing::Test {
  protected:
    ExtractAdapter() : base_(&open("base.gguf", {})) {}

    const Model & open(const std::string & name, const TinyModelOptions & options) {
        write_tiny_model(folder_.path(name), options);
        return open(name);
    }
    const Model & open(const std::string & name) {
        ModelPtr & model = models_.emplace_back();
        EXPECT_EQ(ql_model_open(folder_.path(name).c_str(), nullptr, out(model)), QL_OK) << ql_error_message();
        return *model->model;
    }
    /// The base with an adapter of rank 3 merged in.
    const Model & tuned(int64_t type = QL_F32) {
        made_ = new_adapter(*base_, {3, 6.0f, false, "all", 7}).value();
        for (LoraMatrix & m : made_.matrices)
            for (size_t i = 0; i < m.b.size(); ++i) m.b[i] = 0.1f * std::sin(static_cast<float>(i * i) * 0.37f + 1);
        auto options = defaults<ql_quantize_options>();
        options.type = type;
        EXPECT_TRUE(merge_adapter(made_, folder_.path("base.gguf"), folder_.path("tuned.gguf"), options).ok());
        return open("tuned.gguf");
    }
    Result<Adapter> extract(const Model & tuned, int64_t rank, int threads = 1) {
        changes_.clear();
        return extract_adapter(*base_, tuned, {rank, threads}, [this](const AdapterChange & c, int64_t, int64_t) {
            changes_[c.weight] = c;
            return Status();
        });
    }
    void refused(const Model & tuned, int64_t rank, const std::string & words) {
        const auto got = extract(tuned, rank);
        ASSERT_FALSE(got.ok()) << words;
        EXPECT_NE(got.message().find(words), std::string::npos) << got.message();
    }

    const TemporaryFolder folder_;
    std::vector<ModelPtr> models_;
    const Model * base_ = nullptr;
    Adapter made_;
    std::map<std::string, AdapterChange> changes_;
};

double norm_of(const std::vector<double> & x) {
    double sum = 0;
    for (const double v : x) sum += v * v;
    return std::sqrt(sum);
}

std::vector<double> minus(std::vector<double> x, const std::vector<double> & y) {
    for (size_t i = 0; i < x.size(); ++i) x[i] -= y[i];
    return x;
}

TEST_F(ExtractAdapter, GivesBackWhatWasMerged) {
    const auto got = extract(tuned(), 3);
    ASSERT_TRUE(got.ok()) << got.message();
    expect_same_meaning(made_, *got, 1e-4);
    for (const LoraMatrix & m : made_.matrices) {
        EXPECT_NEAR(changes_.at(m.weight).norm / delta_norm(m), 1, 1e-4);
        EXPECT_LE(changes_.at(m.weight).error, 1e-4 * changes_.at(m.weight).norm);
    }
    EXPECT_EQ(got->architecture, "llama");
    EXPECT_TRUE(save_adapter(*got, *base_, folder_.path("a.gguf")).ok());
}

TEST_F(ExtractAdapter, SaysWhatARankCannotHold) {
    const auto got = extract(tuned(), 2);
    ASSERT_TRUE(got.ok()) << got.message();
    for (const LoraMatrix & m : got->matrices) {
        EXPECT_EQ(m.r, 2);
        const AdapterChange & c = changes_.at(m.weight);
        EXPECT_NEAR(norm_of(minus(product(*find(made_, m.weight)), product(m))) / c.norm, c.error / c.norm, 1e-4);
        EXPECT_GT(c.error, 0.01 * c.norm);
    }
}

TEST_F(ExtractAdapter, IsTheSameForAnyNumberOfThreads) {
    const Model & other = tuned();
    const auto one = extract(other, 2, 1), three = extract(other, 2, 3);
    ASSERT_TRUE(one.ok() && three.ok());
    expect_identical(*one, *three);
}

/// A quantised model's rounding is a part of the difference.
TEST_F(ExtractAdapter, TakesModelsOfOtherTypes) {
    const auto got = extract(tuned(QL_Q8_0), 3);
    ASSERT_TRUE(got.ok()) << got.message();
    expect_same_meaning(made_, *got, 0.05);
    for (const LoraMatrix & m : got->matrices) EXPECT_GT(changes_.at(m.weight).error, 0);
}

TEST_F(ExtractAdapter, NamesWhatNoAdapterHolds) {
    TinyModelOptions other;
    other.norm_scale = 2;
    other.value_scale = 2;
    const auto got = extract(open("other.gguf", other), 4);
    ASSERT_TRUE(got.ok()) << got.message();
    for (const LoraMatrix & m : got->matrices) EXPECT_NE(m.weight.find("attn_v"), std::string::npos) << m.weight;
    EXPECT_EQ(got->matrices.size(), 2u);
    EXPECT_NE(changes_.at("blk.0.attn_norm.weight").note.find("differs"), std::string::npos);
    EXPECT_GT(changes_.at("blk.0.attn_norm.weight").norm, 0);
    EXPECT_EQ(changes_.at("token_embd.weight").note, "");
    EXPECT_EQ(changes_.at("blk.0.attn_q.weight").r, 0);
}

TEST_F(ExtractAdapter, NamesAHeadThatOnlyOneModelHas) {
    TinyModelOptions untied;
    untied.tied = false;
    untied.value_scale = 2;
    ASSERT_TRUE(extract(open("untied.gguf", untied), 4).ok());
    EXPECT_EQ(changes_.at("output.weight").note, "only the tuned model has it");
}

TEST_F(ExtractAdapter, RefusesWhatCannotBe) {
    TinyModelOptions wide, deep, nan, words;
    wide.n_embd = 128;
    deep.n_layer = 3;
    nan.nan_at = 70;
    refused(open("same.gguf", {}), 4, "the linears of the two models are the same");
    refused(open("wide.gguf", wide), 4, "in the tuned model");
    refused(open("deep.gguf", deep), 4, "the base has 2 layers, the tuned model 3");
    refused(tuned(), 0, "rank 0; 1 to 64 are possible");
    refused(tuned(), 65, "rank 65; 1 to 64 are possible");
    refused(open("nan.gguf", nan), 4, "element 70 of 'blk.0.attn_q.weight' is not finite");
}

TEST_F(ExtractAdapter, StopsWhereItIsTold) {
    const auto got = extract_adapter(*base_, tuned(), {3, 2}, [](const AdapterChange &, int64_t i, int64_t) {
        return i < 2 ? Status() : error(QL_CANCELLED, "enough");
    });
    EXPECT_EQ(got.code(), QL_CANCELLED);
}

}  // namespace
}  // namespace ql::test
