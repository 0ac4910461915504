// Every optimizer in a run: it learns, its states are as large as is said, and a run with it goes on to the bit.
#include <cmath>

#include "models/train/fingerprint.hpp"
#include "models/trainer_fixture.hpp"

namespace ql::test {
namespace {

struct Choice {
    ql_optimizer optimizer;
    double lr;

    friend void PrintTo(const Choice & choice, std::ostream * out) { *out << optimizer_def(choice.optimizer).name; }
};

class Optimizers : public TrainerFixture, public ::testing::WithParamInterface<Choice> {
  protected:
    Optimizers() { rank_ = 64; }  // the smallest matrices have 2,048 elements, others 4,096 and more
    ql_train_options chosen() const {
        ql_train_options o = options();
        o.optimizer = GetParam().optimizer;
        o.lr = GetParam().lr;
        if (optimizer_def(o.optimizer).is_paged()) o.spill = here_.c_str();
        return o;
    }
    const std::string here_ = folder_.path("");
};

double norm_of_change(const std::vector<float> & x, const std::vector<float> & y) {
    double sum = 0;
    for (size_t i = 0; i < x.size(); ++i) sum += std::pow(static_cast<double>(x[i]) - static_cast<double>(y[i]), 2);
    return std::sqrt(sum);
}

TEST_P(Optimizers, Learns) {
    std::vector<double> losses;
    ql_train_options o = chosen();
    o.user = &losses;
    o.on_progress = [](void * user, const ql_train_progress * p) {
        return static_cast<std::vector<double> *>(user)->push_back(p->loss), 0;
    };
    train(o);
    ASSERT_EQ(losses.size(), 12u);
    EXPECT_LT(losses.back(), 0.97 * losses.front());
}

TEST_P(Optimizers, GiveTheSameBitsForAnyNumberOfThreadsAndAfterAResume) {
    ql_train_options o = chosen();
    const std::vector<float> whole = train(o, 1);
    EXPECT_EQ(whole, train(o, 3));
    const std::string dir = folder_.path("ck");
    o.checkpoint_dir = dir.c_str();
    train_six_steps(o);
    o.resume = "auto";
    std::string resumed;
    EXPECT_EQ(whole, train(o, 2, nullptr, &resumed));
    EXPECT_NE(resumed, "");
}

TEST_P(Optimizers, TakeTheRateOfLoraPlus) {
    ql_train_options o = chosen();
    o.steps = 1, o.warmup = 0, o.schedule = QL_SCHEDULE_CONSTANT;
    const auto b_of = [&](double ratio) {
        o.lora_plus_ratio = ratio;
        const DevicePtr device(open_cpu(QL_COMPUTE_AUTO));
        Adapter a = adapter();
        const auto trainer = Trainer::create(*model_, device.get(), a, data_, nullptr, o);
        EXPECT_TRUE(trainer.ok() && (*trainer)->run().ok());
        return a.matrices.back().b;
    };
    const auto plain = b_of(1), raised = b_of(4);
    const std::vector<float> start(plain.size());
    EXPECT_NEAR(norm_of_change(raised, start) / norm_of_change(plain, start), 4, 1e-3);
}

/// Bytes of f32 states of n parameters, and of those in 8 bits.
TEST_P(Optimizers, HaveStatesOfTheSizeThatIsSaid) {
    const int moments = optimizer_def(GetParam().optimizer).moments;
    const bool eight_bits = optimizer_def(GetParam().optimizer).eight_bits;
    const DevicePtr device(open_cpu(QL_COMPUTE_AUTO));
    Adapter a = adapter();
    int64_t expected = 0, n_large = 0;
    for (const LoraMatrix & m : a.matrices)
        for (const auto n : {static_cast<int64_t>(m.a.size()), static_cast<int64_t>(m.b.size())}) {
            const bool coded = eight_bits && n >= 4096;
            n_large += coded ? n : 0;
            expected += moments * (coded ? n + (n + 255) / 256 * 4 : n * 4);
        }
    EXPECT_EQ(n_large > 0, eight_bits);
    const auto info_of = [&](ql_optimizer optimizer) {
        ql_train_options o = chosen();
        o.optimizer = optimizer;
        const auto trainer = Trainer::create(*model_, device.get(), a, data_, nullptr, o);
        EXPECT_TRUE(trainer.ok()) << trainer.message();
        return trainer.ok() ? (*trainer)->describe() : ql_trainer_info{};
    };
    const ql_trainer_info info = info_of(GetParam().optimizer), adamw = info_of(QL_OPTIMIZER_ADAMW);
    EXPECT_EQ(static_cast<int64_t>(info.optimizer_bytes + info.optimizer_paged_bytes), expected);
    EXPECT_EQ(info.optimizer_paged_bytes > 0, optimizer_def(GetParam().optimizer).is_paged());
    EXPECT_EQ(adamw.leaf_bytes - info.leaf_bytes, adamw.optimizer_bytes - info.optimizer_bytes);
    EXPECT_EQ(adamw.optimizer_bytes, static_cast<uint64_t>(8 * adamw.n_parameters));
}

TEST_P(Optimizers, SaveTheirStatesAsTheyAre) {
    const std::string dir = folder_.path("ck");
    ql_train_options o = chosen();
    o.checkpoint_dir = dir.c_str(), o.steps = 1;
    train(o);
    const auto checkpoint = open_checkpoint(dir + "/step-00000001.gguf");
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.message();
    const OptimizerDef & def = optimizer_def(o.optimizer);
    ql_gguf_tensor t{};
    const auto find = [&](const char * name) { return ql_gguf_find_tensor(checkpoint->file.get(), name, &t) == QL_OK; };
    ASSERT_TRUE(find("blk.0.attn_q.weight.lora_a.m"));
    EXPECT_EQ(t.dtype, def.eight_bits ? QL_I8 : QL_F32);
    EXPECT_EQ(t.size, def.eight_bits ? 4096u : 4 * 4096u);
    EXPECT_EQ(find("blk.0.attn_q.weight.lora_a.m_absmax"), def.eight_bits);
    EXPECT_EQ(find("blk.0.attn_q.weight.lora_a.v"), def.moments == 2);
    ASSERT_TRUE(find("blk.0.attn_k.weight.lora_b.m"));  // of 2,048 elements
    EXPECT_EQ(t.dtype, QL_F32);
}

INSTANTIATE_TEST_SUITE_P(, Optimizers,
                         ::testing::Values(Choice{QL_OPTIMIZER_ADAMW, 5e-3}, Choice{QL_OPTIMIZER_ADAMW8BIT, 5e-3},
                                           Choice{QL_OPTIMIZER_LION, 5e-4}, Choice{QL_OPTIMIZER_LION8BIT, 5e-4},
                                           Choice{QL_OPTIMIZER_SGD, 1}, Choice{QL_OPTIMIZER_PAGED_ADAMW, 5e-3},
                                           Choice{QL_OPTIMIZER_PAGED_ADAMW8BIT, 5e-3},
                                           Choice{QL_OPTIMIZER_PAGED_LION, 5e-4},
                                           Choice{QL_OPTIMIZER_PAGED_LION8BIT, 5e-4}),
                         [](const auto & p) { return std::string(optimizer_def(p.param.optimizer).name); });

class OptimizerFiles : public TrainerFixture {
  protected:
    OptimizerFiles() { rank_ = 64; }
};

TEST_F(OptimizerFiles, AScaleThatNoRunWritesIsRefused) {
    const std::string dir = folder_.path("ck");
    ql_train_options o = options();
    o.optimizer = QL_OPTIMIZER_ADAMW8BIT;
    o.checkpoint_dir = dir.c_str(), o.steps = 1;
    train(o);
    const std::string path = dir + "/step-00000001.gguf";
    const DevicePtr device(open_cpu(QL_COMPUTE_AUTO));
    StepOptions options;
    options.n_tokens = 64, options.optimizer = o.optimizer;
    const auto step = TrainStep::create(*model_, device.get(), adapter(), options);
    ASSERT_TRUE(step.ok()) << step.message();
    const auto real = open_checkpoint(path);
    ASSERT_TRUE(real.ok() && load_checkpoint(*real, **step, real->state.fingerprint, 1).ok());
    const OptimizerState & scale = (*step)->params()[0].optimizer.states()[1];
    for (const float bad : {-1.0f, NAN}) {
        ASSERT_EQ(ql_tensor_write(scale.tensor, &bad, 4, sizeof bad), QL_OK);
        ASSERT_TRUE(write_checkpoint(path, **step, real->state).ok());
        const auto forged = open_checkpoint(path);
        ASSERT_TRUE(forged.ok());
        const Status refused = load_checkpoint(*forged, **step, real->state.fingerprint, 1);
        EXPECT_EQ(refused.code(), QL_BAD_FILE);
        EXPECT_NE(refused.message().find("m_absmax'"), std::string::npos) << refused.message();
    }
}

TEST_F(OptimizerFiles, ACheckpointFromBeforeTheChoiceIsOneOfAdamw) {
    EXPECT_TRUE(compare_fingerprints("f", "lr=1;", "lr=1;optim=adamw;").ok());
    const Status other = compare_fingerprints("f", "lr=1;", "lr=1;optim=sgd;");
    EXPECT_NE(other.message().find("this run has optim sgd, the checkpoint was made with adamw"), std::string::npos);
}

TEST(OptimizerNames, AreThoseOfTheEnumerationAndPagedOnesNeedAFolder) {
    ql_optimizer_info info{};
    const char * const names[] = {"adamw",    "adamw8bit", "paged_adamw", "paged_adamw8bit", "lion",
                                  "lion8bit", "sgd",       "paged_lion",  "paged_lion8bit"};
    for (int i = 0; i <= kLastOptimizer; ++i) {
        info.size = sizeof info;
        ASSERT_EQ(ql_optimizer_describe(static_cast<ql_optimizer>(i), &info), QL_OK);
        EXPECT_STREQ(info.name, names[i]);
        EXPECT_EQ(info.missing, nullptr);
        const std::string_view name = names[i];
        EXPECT_EQ(info.paged != 0, name.starts_with("paged_"));
        EXPECT_EQ(optimizer_def(static_cast<ql_optimizer>(i)).rule, info.paged ? name.substr(6) : name);
        EXPECT_EQ(check_optimizer(static_cast<ql_optimizer>(i), nullptr).ok(), info.paged == 0);
        EXPECT_EQ(check_optimizer(static_cast<ql_optimizer>(i), "").ok(), info.paged == 0);
    }
    EXPECT_EQ(info.beta1, 0.9);
    const Status refused = check_optimizer(QL_OPTIMIZER_PAGED_ADAMW8BIT, nullptr);
    EXPECT_EQ(refused.code(), QL_INVALID_ARGUMENT);
    EXPECT_NE(refused.message().find("take adamw8bit"), std::string::npos) << refused.message();
}

/// The bits, the adapter's file and the checkpoint of a paged optimizer are those of the other; a run may go on with
/// either.
TEST_F(OptimizerFiles, APagedOptimizerIsTheOtherOneToTheBit) {
    const std::string here = folder_.path(""), dir = folder_.path("ck");
    for (const auto & [paged, plain] : {std::pair{QL_OPTIMIZER_PAGED_ADAMW, QL_OPTIMIZER_ADAMW},
                                        std::pair{QL_OPTIMIZER_PAGED_ADAMW8BIT, QL_OPTIMIZER_ADAMW8BIT},
                                        std::pair{QL_OPTIMIZER_PAGED_LION8BIT, QL_OPTIMIZER_LION8BIT}}) {
        ql_train_options o = options();
        o.optimizer = plain;
        const std::vector<float> expected = train(o);
        o.spill = here.c_str();
        o.optimizer = paged;
        for (const int threads : {1, 3}) EXPECT_EQ(train(o, threads), expected);
        o.checkpoint_dir = dir.c_str();
        train_six_steps(o);
        o.optimizer = plain, o.resume = "auto";
        std::string resumed;
        EXPECT_EQ(train(o, 2, nullptr, &resumed), expected) << "begun paged";
        EXPECT_FALSE(resumed.empty());
        std::filesystem::remove_all(dir);
        o.resume = nullptr;
        train_six_steps(o);
        o.optimizer = paged, o.resume = "auto";
        EXPECT_EQ(train(o, 2, nullptr, &resumed), expected) << "begun in memory";
        EXPECT_FALSE(resumed.empty());
        std::filesystem::remove_all(dir);
    }
}

TEST(OptimizerNames, HaveUsualBetasThatAnOptionReplaces) {
    ql_train_options o;
    ql_train_options_init(&o);
    EXPECT_EQ(with_betas(o).beta2, 0.999);
    o.optimizer = QL_OPTIMIZER_LION;
    EXPECT_EQ(with_betas(o).beta1, 0.9);
    EXPECT_EQ(with_betas(o).beta2, 0.99);
    o.beta2 = 0.5;
    EXPECT_EQ(with_betas(o).beta2, 0.5);
}

}  // namespace
}  // namespace ql::test
