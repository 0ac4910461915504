// How adapters start: the values of each start, what they mean for the base, and which are refused.
#include "models/adapter/frozen.hpp"
#include "models/adapters.hpp"
#include "models/trainer_fixture.hpp"

namespace ql::test {
namespace {

Adapter started(const Model & model, const char * start, int r = 4, int threads = 2) {
    Adapter adapter = new_adapter(model, {r, 8, false, "all", 1}).value();
    const Status status = start_adapter(adapter, model, {start, 1, threads});
    EXPECT_TRUE(status.ok()) << status.message();
    return adapter;
}

void expect_refused(const Model & model, const std::string & start, int r, const std::string & message) {
    Adapter adapter = new_adapter(model, {r, 8, false, "all", 1}).value();
    const Status status = start_adapter(adapter, model, {start, 1, 2});
    EXPECT_EQ(status.code(), QL_INVALID_ARGUMENT);
    EXPECT_NE(status.message().find(message), std::string::npos) << status.message();
}

std::vector<float> decoded(const Weight & w) {
    std::vector<float> values(static_cast<size_t>(w.elements()));
    EXPECT_EQ(ql_decode(w.dtype, w.data, w.elements(), 0, w.elements(), values.data()), QL_OK);
    return values;
}

TEST(AdapterStarts, GaussianHasTheDeviationOfItsRank) {
    const Adapter adapter = started(llama(), "gaussian", 8);
    double sum = 0, squares = 0, n = 0;
    for (const LoraMatrix & m : adapter.matrices) {
        for (const float v : m.a) sum += static_cast<double>(v), squares += std::pow(static_cast<double>(v), 2), ++n;
        for (const float v : m.b) ASSERT_EQ(v, 0.0f);
    }
    EXPECT_NEAR(sum / n, 0, 0.005);
    EXPECT_NEAR(std::sqrt(squares / n), 0.125, 0.003);
    EXPECT_NE(find(adapter, "blk.0.attn_q.weight")->a, find(adapter, "blk.1.attn_q.weight")->a);
}

TEST(AdapterStarts, OrthogonalChangesNothingThoughBIsNotZero) {
    for (const LoraMatrix & m : started(llama(), "orthogonal", 6).matrices) {
        double a = 0, b = 0;
        for (const float v : m.a) a += std::pow(static_cast<double>(v), 2);
        for (const float v : m.b) b += std::pow(static_cast<double>(v), 2);
        EXPECT_NEAR(a, 0.01 * 3 * static_cast<double>(m.k), 0.3 * a) << m.weight;
        EXPECT_NEAR(b, 0.01 * 3 * static_cast<double>(m.m), 0.3 * b) << m.weight;
        for (const double v : product(m)) ASSERT_LE(std::fabs(v), 1e-6) << m.weight;
    }
}

TEST(AdapterStarts, EveryOneIsTheSameForAnyNumberOfThreads) {
    const auto model = open_golden_model("llama", QL_NF4);
    for (const char * start : {"gaussian", "orthogonal", "pissa", "loftq"}) {
        const Adapter one = started(*model, start, 4, 1);
        EXPECT_EQ(one.start, start);
        for (const int threads : {2, 3}) expect_identical(started(*model, start, 4, threads), one);
    }
}

TEST(AdapterStarts, LoftqBringsTheBaseNearerToWhatItWas) {
    const auto model = open_golden_model("llama", QL_NF4);
    for (const LoraMatrix & m : started(*model, "loftq", 8).matrices) {
        const std::vector<float> w = decoded(*llama().find(m.weight)), q = decoded(*model->find(m.weight));
        const std::vector<double> change = product(m);
        double before = 0, after = 0;
        for (size_t i = 0; i < w.size(); ++i) {
            const double lost = static_cast<double>(w[i]) - static_cast<double>(q[i]);
            before += lost * lost, after += (lost - change[i]) * (lost - change[i]);
        }
        EXPECT_LE(after, 0.75 * before) << m.weight;
    }
}

TEST(AdapterStarts, RejectsWhatCannotBe) {
    expect_refused(llama(), "olora", 4,
                   "start 'olora' is unknown; there are default, gaussian, orthogonal, pissa, loftq, eva");
    expect_refused(llama(), "", 4, "is unknown");
    expect_refused(llama(), "orthogonal", 5, "needs an even rank; that of blk.0.attn_q.weight is 5");
    expect_refused(
        llama(), "pissa", 33,
        "pissa: the adapter of r 33 for 'blk.0.attn_q.weight' is one of rank 66, more than both sides of that "
        "weight [64, 64]; r 1 to 32 are possible");
    EXPECT_EQ(started(llama(), "pissa", 32).matrices[0].r, 64);
    expect_refused(llama(), "loftq", 4, "the base has lost nothing: it is used in f32 as its file has it");
    expect_refused(llama(), "eva", 4, "an eva start is found in the data");
}

class AdapterStartsOfAFile : public TrainerFixture {
  protected:
    /// The tiny model, written anew with other weights or types.
    std::unique_ptr<Model> reopen(int64_t base_type) const {
        auto model = open_model(model_path_, {sizeof(ql_model_options), base_type, QL_BASE_KEEP});
        EXPECT_TRUE(model.ok()) << model.message();
        return std::move(model).value();
    }
};

TEST_F(AdapterStartsOfAFile, LoftqNeedsUnquantisedWeights) {
    ql_quantize_options o;
    ql_quantize_options_init(&o);
    o.type = QL_Q8_0;
    const std::string path = folder_.path("q8.gguf");
    ASSERT_EQ(ql_quantize(model_path_.c_str(), path.c_str(), &o), QL_OK) << ql_error_message();
    model_path_ = path;
    expect_refused(*reopen(QL_NF4), "loftq", 2, "is q8_0 in " + path + " itself; give an f32, f16 or bf16 model");
}

TEST_F(AdapterStartsOfAFile, LoftqNoticesThatTheFileIsAnotherOne) {
    const auto model = reopen(QL_NF4);
    TinyModelOptions other;
    other.seed = 77;
    tiny::Writer(other).write(model_path_);
    expect_refused(*model, "loftq", 2, "has changed since the model was opened");
}

TEST_F(AdapterStartsOfAFile, AFrozenPartStaysAsItIsAndTheFileHoldsTheDifference) {
    start_ = "pissa";
    const DevicePtr device(open_cpu(QL_COMPUTE_F32));
    const Adapter before = adapter();
    Adapter trained = before;
    ql_train_options o = options();
    o.steps = 4;
    auto trainer = Trainer::create(*model_, device.get(), trained, data_, &eval_, o);
    ASSERT_TRUE(trainer.ok()) << trainer.message();
    ASSERT_TRUE((*trainer)->run().ok());
    const SplitAdapter was = split_frozen(before), is = split_frozen(trained);
    ASSERT_EQ(is.frozen.size(), before.matrices.size());
    for (size_t i = 0; i < is.frozen.size(); ++i) {
        EXPECT_EQ(is.frozen[i].a, was.frozen[i].a);
        EXPECT_EQ(is.frozen[i].b, was.frozen[i].b);
        EXPECT_NE(is.trained.matrices[i].a, was.trained.matrices[i].a);
        EXPECT_NE(is.trained.matrices[i].b, was.trained.matrices[i].b);
    }
    double loss = 0, again = 0;
    int64_t tokens = 0;
    ASSERT_TRUE((*trainer)->evaluate(loss, tokens).ok());
    const std::string path = folder_.path("trained.gguf");
    ASSERT_TRUE(save_adapter(trained, *model_, path).ok());
    Adapter read = load_adapter(path, *model_).value();
    EXPECT_EQ(read.matrices[0].r, 6);
    EXPECT_EQ(read.matrices[0].frozen, 0);
    auto other = Trainer::create(*model_, device.get(), read, data_, &eval_, o);
    ASSERT_TRUE(other.ok()) << other.message();
    ASSERT_TRUE((*other)->evaluate(again, tokens).ok());
    EXPECT_NEAR(loss, again, 1e-5);
}

TEST_F(AdapterStartsOfAFile, WhatIsTrainedBesideAFrozenPartIsTrained) {
    const DevicePtr device(open_cpu(QL_COMPUTE_F32));
    LoraOptions made;
    made.r = 3, made.norms = true, made.tokens = "5,17";
    Adapter adapter = new_adapter(*model_, made).value();
    ASSERT_TRUE(start_adapter(adapter, *model_, {"pissa", 1, 2}).ok());
    const Adapter before = adapter;
    ql_train_options o = options();
    o.steps = 2;
    auto trainer = Trainer::create(*model_, device.get(), adapter, data_, nullptr, o);
    ASSERT_TRUE(trainer.ok()) << trainer.message();
    ASSERT_TRUE((*trainer)->run().ok());
    for (size_t i = 0; i < before.norms.size(); ++i)
        EXPECT_NE(adapter.norms[i].values, before.norms[i].values) << before.norms[i].weight;
    ASSERT_EQ(before.rows.size(), 1u);
    EXPECT_NE(adapter.rows[0].values, before.rows[0].values);
}

TEST_F(AdapterStartsOfAFile, AResumedRunGivesTheSameBitsWithEveryStart) {
    for (const char * start : {"gaussian", "pissa", "loftq", "eva"}) {
        start_ = start;
        const std::string dir = folder_.path(start_ + "-ck");
        ql_train_options o = options();
        const std::vector<float> straight = train(o);
        o.checkpoint_dir = dir.c_str();
        train_six_steps(o);
        o.resume = "auto";
        std::string resumed;
        EXPECT_EQ(train(o, 3, nullptr, &resumed), straight) << start;
        EXPECT_NE(resumed.find("step-00000006"), std::string::npos) << resumed;
        for (const char * other : {"default", "gaussian"}) {
            if (start_ == other) continue;
            const std::string own = start_;
            start_ = other;
            const Status status = this->start(o);
            EXPECT_EQ(status.code(), QL_INVALID_ARGUMENT) << own << ", then " << other;
            start_ = own;
        }
    }
}

TEST_F(AdapterStartsOfAFile, AnotherStartIsNamedWhereARunIsResumed) {
    const std::string dir = folder_.path("named");
    ql_train_options o = options();
    o.checkpoint_dir = dir.c_str();
    start_ = "loftq";
    train_six_steps(o);
    o.resume = "auto";
    start_ = "gaussian";
    EXPECT_NE(start(o).message().find("this run has lora-init gaussian, the checkpoint was made with loftq"),
              std::string::npos)
        << start(o).message();
}

/// |A B^T|^2 / r: 1 where two sets of r orthonormal rows have the same span.
double overlap(const LoraMatrix & x, const LoraMatrix & y) {
    double squares = 0;
    for (int64_t i = 0; i < x.r; ++i)
        for (int64_t j = 0; j < y.r; ++j) {
            double along = 0;
            for (int64_t c = 0; c < x.k; ++c)
                along += static_cast<double>(x.a[static_cast<size_t>(i * x.k + c)]) *
                         static_cast<double>(y.a[static_cast<size_t>(j * y.k + c)]);
            squares += along * along;
        }
    return squares / static_cast<double>(x.r);
}

TEST_F(AdapterStartsOfAFile, EvasRoundsComeToTheExactDirections) {
    const DevicePtr device(open_cpu(QL_COMPUTE_F32));
    const auto of = [&](int64_t rounds, int64_t exact_up_to) {
        EvaOptions o;
        o.ctx = 64, o.rounds = rounds, o.exact_up_to = exact_up_to;
        Adapter a = new_adapter(*model_, {3, 8, false, "all", 1}).value();
        const Status status = start_eva(a, *model_, device.get(), data_, o);
        EXPECT_TRUE(status.ok()) << status.message();
        return a;
    };
    const Adapter exact = of(1, 1 << 20), rough = of(1, 0), fine = of(12, 0);
    for (size_t i = 0; i < exact.matrices.size(); ++i) {
        const LoraMatrix & m = exact.matrices[i];
        EXPECT_NEAR(overlap(m, m), 1, 1e-5) << m.weight;  // orthonormal
        EXPECT_NEAR(overlap(m, fine.matrices[i]), 1, 1e-3) << m.weight;
        EXPECT_LT(overlap(m, rough.matrices[i]), overlap(m, fine.matrices[i]) + 1e-6) << m.weight;
        for (const float v : m.b) ASSERT_EQ(v, 0.0f);
    }
}

TEST_F(AdapterStartsOfAFile, EvaOfLinearsWithOneInputIsTheSame) {
    start_ = "eva";
    const Adapter a = adapter();
    EXPECT_EQ(find(a, "blk.0.attn_q.weight")->a, find(a, "blk.0.attn_k.weight")->a);
    EXPECT_EQ(find(a, "blk.0.ffn_gate.weight")->a, find(a, "blk.0.ffn_up.weight")->a);
    EXPECT_NE(find(a, "blk.0.attn_q.weight")->a, find(a, "blk.1.attn_q.weight")->a);
}

TEST_F(AdapterStartsOfAFile, EvaRefusesFewTokensAndAStartThatIsNotItsOwn) {
    const DevicePtr device(open_cpu(QL_COMPUTE_F32));
    Adapter a = new_adapter(*model_, {16, 8, false, "attn_q", 1}).value();
    Dataset few = data_;
    few.samples = {TokenSample{1, {1, 2, 3}, {0, 1, 1}}};
    EvaOptions o;
    o.ctx = 64;
    Status status = start_eva(a, *model_, device.get(), few, o);
    EXPECT_NE(status.message().find("an eva start of rank 16 needs more than so many tokens, and its first 4 batches "
                                    "have 3"),
              std::string::npos)
        << status.message();
    ASSERT_TRUE(start_adapter(a, *model_, {"pissa", 1, 2}).ok());
    status = start_eva(a, *model_, device.get(), data_, o);
    EXPECT_NE(status.message().find("this one began as pissa"), std::string::npos) << status.message();
}

}  // namespace
}  // namespace ql::test
