// An adapter merged into its base: the weights are base + s B A, rounded once; and how much of a change a type holds.
#include "models/adapter/merge.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "models/adapter/adapter.hpp"
#include "models/adapter/compose/compose.hpp"
#include "models/adapters.hpp"
#include "ql/models.hpp"
#include "support/temporary_folder.hpp"
#include "support/tiny_model.hpp"

namespace ql::test {
namespace {

/// A GGUF file's tensors, decoded.
std::map<std::string, std::vector<float>> decoded(const std::string & path) {
    GgufPtr file;
    EXPECT_EQ(ql_gguf_open(path.c_str(), out(file)), QL_OK) << ql_error_message();
    std::map<std::string, std::vector<float>> all;
    for (int64_t i = 0; file && i < ql_gguf_n_tensors(file.get()); ++i) {
        ql_gguf_tensor t{};
        EXPECT_EQ(ql_gguf_tensor_at(file.get(), i, &t), QL_OK);
        const int64_t n = t.ne[0] * t.ne[1] * t.ne[2] * t.ne[3];
        std::vector<float> & values = all[t.name];
        values.resize(static_cast<size_t>(n));
        EXPECT_EQ(ql_decode(t.dtype, t.data, n, 0, n, values.data()), QL_OK) << t.name;
    }
    return all;
}

class MergeAdapter : public testing::Test {
  protected:
    MergeAdapter() : base_(write_tiny_model(folder_.path("base.gguf"))) {
        EXPECT_EQ(ql_model_open(base_.c_str(), nullptr, out(model_)), QL_OK) << ql_error_message();
        auto options = defaults<ql_lora_options>();
        options.r = 3;
        AdapterPtr made;
        EXPECT_EQ(ql_adapter_create(model_.get(), &options, out(made)), QL_OK) << ql_error_message();
        EXPECT_EQ(ql_adapter_save(made.get(), folder_.path("a.gguf").c_str()), QL_OK) << ql_error_message();
        adapter_ = read_adapter(folder_.path("a.gguf")).value();
        fill_b(0.5f);
    }
    /// Every number of B another one.
    void fill_b(float size) {
        for (LoraMatrix & m : adapter_.matrices)
            for (size_t i = 0; i < m.b.size(); ++i) m.b[i] = size * std::sin(static_cast<float>(i) * 0.9f + 1);
    }
    Status merge(const std::string & base, int64_t type) {
        auto options = defaults<ql_quantize_options>();
        options.type = type;
        options.threads = threads_;
        options.user = &kept_;
        options.on_tensor = [](void * user, const ql_quantized_tensor * t) {
            if (!std::isnan(t->kept)) (*static_cast<std::map<std::string, double> *>(user))[t->name] = t->kept;
            return 0;
        };
        return merge_adapter(adapter_, base, merged(), options);
    }
    std::string merged() const { return folder_.path("merged.gguf"); }

    TemporaryFolder folder_;
    std::string base_;
    ModelPtr model_;
    Adapter adapter_;
    std::map<std::string, double> kept_;
    int threads_ = 1;
};

TEST_F(MergeAdapter, WeightsAreTheBasesPlusTheChange) {
    ASSERT_TRUE(merge(base_, QL_F32).ok());
    auto before = decoded(base_), after = decoded(merged());
    for (const LoraMatrix & m : adapter_.matrices) {
        const std::vector<double> change = product(m);
        const std::vector<float> &w = before.at(m.weight), &got = after.at(m.weight);
        for (size_t i = 0; i < w.size(); ++i)
            ASSERT_NEAR(static_cast<double>(got[i]), static_cast<double>(w[i]) + change[i], 1e-5)
                << m.weight << " " << i;
        EXPECT_NEAR(kept_.at(m.weight), 1, 1e-5);
        before.erase(m.weight);
    }
    for (const auto & [name, values] : before) {
        EXPECT_TRUE(!name.ends_with("norm.weight") || after.at(name) == values) << name << " is no linear";
    }
    EXPECT_EQ(kept_.size(), adapter_.matrices.size());
}

TEST_F(MergeAdapter, AreRoundedOnceToTheTypeThatIsAskedFor) {
    ASSERT_TRUE(merge(base_, QL_F32).ok());
    const auto exact = decoded(merged());
    auto options = defaults<ql_quantize_options>();
    options.type = QL_Q8_0;
    ASSERT_EQ(ql_quantize(merged().c_str(), folder_.path("twice.gguf").c_str(), &options), QL_OK) << ql_error_message();
    const auto want = decoded(folder_.path("twice.gguf"));
    ASSERT_TRUE(merge(base_, QL_Q8_0).ok());
    const auto got = decoded(merged());
    for (const LoraMatrix & m : adapter_.matrices) EXPECT_EQ(got.at(m.weight), want.at(m.weight)) << m.weight;
}

/// A change that is small beside the steps between the values of a type rounds back to them.
TEST_F(MergeAdapter, SayHowLittleOfASmallChangeFewBitsHold) {
    auto options = defaults<ql_quantize_options>();
    options.type = QL_NF4;
    const std::string nf4 = folder_.path("nf4.gguf");
    ASSERT_EQ(ql_quantize(base_.c_str(), nf4.c_str(), &options), QL_OK) << ql_error_message();
    fill_b(1e-4f);
    ASSERT_TRUE(merge(nf4, QL_NF4).ok());
    for (const auto & [name, kept] : kept_) EXPECT_LT(kept, 0.3) << name;
    ASSERT_TRUE(merge(nf4, QL_F32).ok());
    for (const auto & [name, kept] : kept_) EXPECT_NEAR(kept, 1, 0.01) << name;
}

/// Of a tensor of many millions some pieces are measured.
TEST_F(MergeAdapter, SayTheSameOfALargeTensorFromAPartOfIt) {
    TinyModelOptions large;
    large.n_embd = 256, large.n_ff = 40960, large.n_layer = 1;
    write_tiny_model(base_, large);
    ASSERT_EQ(ql_model_open(base_.c_str(), nullptr, out(model_)), QL_OK) << ql_error_message();
    auto options = defaults<ql_lora_options>();
    options.r = 1, options.targets = "ffn_up";
    AdapterPtr made;
    ASSERT_EQ(ql_adapter_create(model_.get(), &options, out(made)), QL_OK) << ql_error_message();
    ASSERT_EQ(ql_adapter_save(made.get(), folder_.path("a.gguf").c_str()), QL_OK) << ql_error_message();
    adapter_ = read_adapter(folder_.path("a.gguf")).value();
    fill_b(0.5f);
    ASSERT_TRUE(merge(base_, QL_Q4_0).ok());
    const LoraMatrix & m = adapter_.matrices[0];
    ASSERT_GT(m.k * m.m, int64_t{8} << 20);
    const auto before = decoded(base_).at(m.weight), after = decoded(merged()).at(m.weight);
    double along = 0, change = 0;
    std::vector<float> q(32), meant(256);
    for (int64_t row = 0; row < m.m; ++row) {
        std::vector<float> plain(before.begin() + row * m.k, before.begin() + (row + 1) * m.k), packed(plain.size());
        meant = plain;
        merge_rows(m, row, 1, meant.data());
        ASSERT_EQ(ql_encode(QL_Q4_0, plain.data(), m.k, packed.data()), QL_OK);
        std::vector<float> w = plain;
        ASSERT_EQ(ql_decode(QL_Q4_0, packed.data(), m.k, 0, m.k, plain.data()), QL_OK);
        for (size_t i = 0; i < plain.size(); ++i) {
            const double d = static_cast<double>(meant[i]) - static_cast<double>(w[i]);
            const float got = after[static_cast<size_t>(row * m.k) + i];
            along += (static_cast<double>(got) - static_cast<double>(plain[i])) * d, change += d * d;
        }
    }
    EXPECT_NEAR(kept_.at(m.weight), along / change, 0.01);
    EXPECT_NE(kept_.at(m.weight), along / change) << "all of it was looked at";
}

/// Tensors of several pieces, the last of which is shorter, converted by several threads.
TEST_F(MergeAdapter, AreTheSameForAnyNumberOfThreads) {
    TinyModelOptions large;
    large.n_layer = 1, large.n_embd = 192, large.n_ff = 192 * 40;
    base_ = write_tiny_model(folder_.path("large.gguf"), large);
    ASSERT_EQ(ql_model_open(base_.c_str(), nullptr, out(model_)), QL_OK) << ql_error_message();
    adapter_ = new_adapter(*model_->model, {3, 6.0f, false, "all", 7}).value();
    fill_b(0.5f);
    for (const int64_t type : {QL_F16, QL_Q8_0, QL_NF4}) {
        threads_ = 1;
        ASSERT_TRUE(merge(base_, type).ok());
        const auto one = read_all(merged());
        const auto kept = kept_;
        threads_ = 3;
        ASSERT_TRUE(merge(base_, type).ok());
        EXPECT_TRUE(read_all(merged()) == one) << ql_dtype_name(static_cast<ql_dtype>(type));
        EXPECT_EQ(kept_, kept);
    }
    ASSERT_TRUE(merge(base_, QL_F32).ok());
    const auto before = decoded(base_), after = decoded(merged());
    for (const LoraMatrix & m : adapter_.matrices) {
        const std::vector<double> change = product(m);
        const std::vector<float> &w = before.at(m.weight), &got = after.at(m.weight);
        for (size_t i = 0; i < w.size(); ++i)
            ASSERT_NEAR(static_cast<double>(got[i]), static_cast<double>(w[i]) + change[i], 1e-5) << m.weight << i;
    }
}

TEST_F(MergeAdapter, NameTheElementThatIsNoNumber) {
    TinyModelOptions nan;
    nan.n_embd = 256;
    nan.nan_at = 50000;  // in the second block of the first matrix
    base_ = write_tiny_model(folder_.path("nan.gguf"), nan);
    adapter_.matrices.clear();
    adapter_.origin = {};  // of a model of other sizes
    for (const int threads : {1, 3}) {
        threads_ = threads;
        const Status status = merge(base_, QL_F16);
        EXPECT_EQ(status.code(), QL_NON_FINITE);
        EXPECT_NE(status.message().find("'blk.0.attn_q.weight': element 50000 is nan"), std::string::npos)
            << status.message();
    }
}

/// An adapter that was trained on top of another: first the one is merged, then the other; or both at once, as cat.
TEST_F(MergeAdapter, OneAfterTheOtherIsTheirSum) {
    const Adapter first = adapter_;
    for (LoraMatrix & m : adapter_.matrices)
        for (float & b : m.b) b = -0.3f * b + 0.01f;
    const Adapter second = adapter_;
    adapter_ = first;
    ASSERT_TRUE(merge(base_, QL_F32).ok());
    std::filesystem::rename(merged(), folder_.path("once.gguf"));
    adapter_ = second;
    ASSERT_TRUE(merge(folder_.path("once.gguf"), QL_F32).ok());
    const auto stacked = decoded(merged());
    const WeightedAdapter both[] = {{&first, 1.0}, {&second, 1.0}};
    adapter_ = compose_adapters(both, {"cat"}).value();
    ASSERT_TRUE(merge(base_, QL_F32).ok());
    const auto together = decoded(merged());
    for (const LoraMatrix & m : adapter_.matrices) {
        const std::vector<float> &x = stacked.at(m.weight), &y = together.at(m.weight);
        for (size_t i = 0; i < x.size(); ++i) ASSERT_NEAR(x[i], y[i], 1e-5f) << m.weight << i;
    }
}

TEST_F(MergeAdapter, WriteNothingForAnotherBase) {
    const auto says = [&](const char * words) {
        const Status status = merge(base_, QL_F16);
        ASSERT_FALSE(status.ok()) << words;
        EXPECT_NE(status.message().find(words), std::string::npos) << status.message();
        EXPECT_FALSE(std::filesystem::exists(merged()));
    };
    const Adapter whole = adapter_;
    adapter_.matrices[0].weight = "blk.99.attn_q.weight";
    says("the model has no 'blk.99.attn_q.weight'");
    adapter_ = whole;
    adapter_.matrices[0].k /= 2;
    says("in the model, the adapter's is [");
    adapter_ = whole;
    adapter_.architecture = "qwen3";
    says("the adapter is for architecture 'qwen3'");
}

}  // namespace
}  // namespace ql::test
