// --batch auto: which micro-batch is chosen, and that a run keeps it.
#include <string>

#include "models/trainer_fixture.hpp"

namespace ql::test {
namespace {

constexpr uint64_t kMiB = 1024 * 1024;

class BatchChoice : public TrainerFixture {
  protected:
    ql_train_options chosen(int64_t sequences, uint64_t memory = 0) {
        ql_train_options o = options();
        o.batch = QL_BATCH_AUTO, o.grad_accum = sequences, o.memory = memory;
        o.user = &log_;
        o.on_log = [](void * user, const char * line) { static_cast<std::string *>(user)->append(line).append("\n"); };
        return o;
    }
    ql_trainer_info info(const ql_train_options & o) {
        const DevicePtr device(open_cpu(QL_COMPUTE_AUTO));
        Adapter a = adapter();
        const auto trainer = Trainer::create(*model_, device.get(), a, data_, nullptr, o);
        EXPECT_TRUE(trainer.ok()) << trainer.message();
        return trainer.ok() ? (*trainer)->describe() : ql_trainer_info{};
    }
    std::string log_;
};

TEST_F(BatchChoice, SharesOutTheSequencesOfAStep) {
    const ql_trainer_info all = info(chosen(6));
    EXPECT_EQ(all.batch, 6);
    EXPECT_EQ(all.grad_accum, 1);
    EXPECT_NE(log_.find("6 of the 6 sequences of a step at once: all of them"), std::string::npos) << log_;
    ql_train_options fixed = options();
    fixed.batch = 6, fixed.grad_accum = 1;
    EXPECT_EQ(info(fixed).n_steps, all.n_steps);
    EXPECT_EQ(train(chosen(6)), train(fixed)) << "it is the run that has this batch";
}

TEST_F(BatchChoice, EndsWhereMoreIsNoFaster) {
    const ql_trainer_info most = info(chosen(96));
    EXPECT_EQ(most.batch, 32) << "of 64 tokens: 2048";
    EXPECT_EQ(most.grad_accum, 3);
    EXPECT_NE(log_.find("48 are no faster"), std::string::npos) << log_;
}

TEST_F(BatchChoice, KeepsWithinABudgetWithoutComputingAgain) {
    ql_train_options o = chosen(32);
    o.batch = 1, o.memory = 0;
    const uint64_t one = info(o).planned_peak_bytes;
    o.batch = 32, o.grad_accum = 1;
    const uint64_t all = info(o).planned_peak_bytes;
    ASSERT_GT(all, one + 4 * kMiB);
    const ql_trainer_info some = info(chosen(32, one + (all - one) / 2));
    EXPECT_GT(some.batch, 1);
    EXPECT_LT(some.batch, 32);
    EXPECT_EQ(some.batch * some.grad_accum, 32);
    EXPECT_EQ(some.recomputed_layers, 0);
    EXPECT_LE(some.planned_peak_bytes, one + (all - one) / 2);
    EXPECT_NE(log_.find("MiB"), std::string::npos) << log_;
    EXPECT_EQ(info(chosen(32, 4 * all)).batch, 32);
}

TEST_F(BatchChoice, IsThatOfTheCheckpointWhereARunGoesOn) {
    constexpr int64_t kSequences = 32;  // their activations are megabytes: more than the budget's rounding
    ql_train_options o = chosen(kSequences);
    const std::vector<float> expected = train(o);
    const std::string dir = folder_.path("ck");
    o.checkpoint_dir = dir.c_str();
    train_six_steps(o);
    ql_train_options tight = chosen(kSequences);
    tight.batch = 1;
    tight.memory = 1;
    const Status refused = start(tight);
    const size_t at = refused.message().find("at least ");
    ASSERT_NE(at, std::string::npos) << refused.message();
    tight = chosen(kSequences, (std::stoull(refused.message().substr(at + 9)) + 1) * kMiB);
    EXPECT_LT(info(tight).batch, kSequences) << "the budget alone would choose another";
    tight.memory *= 4;
    tight.checkpoint_dir = dir.c_str(), tight.resume = "auto";
    log_.clear();
    std::string resumed;
    EXPECT_EQ(train(tight, 3, nullptr, &resumed), expected);
    EXPECT_FALSE(resumed.empty());
    EXPECT_NE(log_.find("as before, in the checkpoint"), std::string::npos) << log_;
}

TEST_F(BatchChoice, MeetsABudgetThatIsTooSmallWithItsLeast) {
    const Status refused = start(chosen(4, 1));
    EXPECT_EQ(refused.code(), QL_NO_MEMORY);
    EXPECT_NE(refused.message().find("at least"), std::string::npos) << refused.message();
}

}  // namespace
}  // namespace ql::test
