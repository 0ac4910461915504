// Checkpoint files that are damaged, or that no run has written: nothing in them is believed.
#include <cstring>

#include "models/trainer_fixture.hpp"

namespace ql::test {
namespace {

class CheckpointTest : public TrainerFixture {
  protected:
    void SetUp() override {
        TrainerFixture::SetUp();
        options_ = options();
        options_.checkpoint_dir = dir_.c_str(), options_.save_every = 6;
        train(options_);
        device_.reset(open_cpu(QL_COMPUTE_AUTO));
        StepOptions o;
        o.n_tokens = 64;
        auto step = TrainStep::create(*model_, device_.get(), adapter(), o);
        ASSERT_TRUE(step.ok()) << step.message();
        step_ = std::move(step).value();
        const Checkpoint real = must_open(path(12));
        state_ = real.state;
        const Status loaded = load_checkpoint(real, *step_, state_.fingerprint, 12);
        ASSERT_TRUE(loaded.ok()) << loaded.message();
    }

    std::string path(int step) const { return dir_ + format("/step-%08d.gguf", step); }

    static Checkpoint must_open(const std::string & path) {
        auto checkpoint = open_checkpoint(path);
        EXPECT_TRUE(checkpoint.ok()) << checkpoint.message();
        return checkpoint.ok() ? std::move(checkpoint).value() : Checkpoint();
    }
    /// A checkpoint with a checksum that fits.
    void forge(const CheckpointState & state, int named = 12) const {
        const Status written = write_checkpoint(path(named), *step_, state);
        ASSERT_TRUE(written.ok()) << written.message();
    }
    Status load() const { return load_checkpoint(must_open(path(12)), *step_, state_.fingerprint, 12); }

    /// All that a run reads of a checkpoint.
    static std::string content(const Checkpoint & c) {
        std::string all = c.state.fingerprint;
        const auto add = [&](const void * data, size_t n) { all.append(static_cast<const char *>(data), n); };
        for (const int64_t v : {c.state.step, c.state.skipped, c.state.skipped_in_row, c.state.total_tokens,
                                c.state.metrics_bytes, static_cast<int64_t>(c.state.has_best)})
            add(&v, sizeof v);
        for (const double v : {c.state.loss_first, c.state.loss_last, c.state.best_eval}) add(&v, sizeof v);
        for (int64_t i = 0; i < ql_gguf_n_tensors(c.file.get()); ++i) {
            ql_gguf_tensor t{};
            EXPECT_EQ(ql_gguf_tensor_at(c.file.get(), i, &t), QL_OK);
            all += t.name;
            add(&t.dtype, sizeof t.dtype), add(t.ne, sizeof t.ne), add(t.data, t.size);
        }
        return all;
    }

    std::string dir_ = folder_.path("ck");
    ql_train_options options_{};
    DevicePtr device_;
    std::unique_ptr<TrainStep> step_;
    CheckpointState state_;
};

TEST_F(CheckpointTest, AByteThatIsReadIsNotReadDamaged) {
    const std::string bytes = read_all(path(12)), whole = content(must_open(path(12)));
    const size_t numbers = bytes.size() - static_cast<size_t>(3 * 4 * step_->n_parameters());
    std::fstream file(path(12), std::ios::in | std::ios::out | std::ios::binary);
    const auto put = [&](size_t at, int byte) {
        file.seekp(static_cast<std::streamoff>(at)).put(static_cast<char>(byte)).flush();
    };
    size_t refused = 0, tried = 0;
    for (size_t at = 0; at < bytes.size(); at += at < numbers ? 1 : 61) {
        for (const int bit : {1, 128}) {
            put(at, bytes[at] ^ bit);
            const auto opened = open_checkpoint(path(12));
            ASSERT_TRUE(!opened.ok() || content(*opened) == whole) << "byte " << at;
            refused += !opened.ok(), ++tried;
        }
        put(at, bytes[at]);
    }
    EXPECT_GT(refused, tried * 9 / 10);  // all but padding bytes and the like
}

TEST_F(CheckpointTest, CountsThatNoRunReachesAreRefusedByName) {
    using State = CheckpointState;
    const struct {
        const char * said;
        void (*spoil)(State &);
    } cases[] = {{"step is -5", [](State & s) { s.step = -5; }},
                 {"step is 9007199254740993", [](State & s) { s.step = (int64_t{1} << 53) + 1; }},
                 {"skipped is 100", [](State & s) { s.skipped = 100; }},
                 {"skipped is -1", [](State & s) { s.skipped = -1; }},
                 {"skipped_in_row is 1", [](State & s) { s.skipped_in_row = 1; }},
                 {"total_tokens is -9", [](State & s) { s.total_tokens = -9; }},
                 {"metrics_bytes is -1", [](State & s) { s.metrics_bytes = -1; }},
                 {"schedule_steps is 0, and 12 are done", [](State & s) { s.schedule_steps = 0; }},
                 {"schedule_steps is 11, and 12 are done", [](State & s) { s.schedule_steps = 11; }},
                 {"schedule_steps is 3, and 4 are done", [](State & s) { s.schedule_start = 8, s.schedule_steps = 3; }},
                 {"best_eval is not finite", [](State & s) { s.has_best = true, s.best_eval = NAN; }}};
    for (const auto & c : cases) {
        CheckpointState state = state_;
        c.spoil(state);
        forge(state);
        const auto opened = open_checkpoint(path(12));
        ASSERT_FALSE(opened.ok()) << c.said;
        EXPECT_EQ(opened.code(), QL_BAD_FILE);
        EXPECT_NE(opened.message().find(c.said), std::string::npos) << opened.message();
    }
}

TEST_F(CheckpointTest, AStepBeyondTheEndOfTheRunIsRefused) {
    CheckpointState state = state_;
    state.step = state.schedule_steps = 13;
    forge(state, 13);
    options_.resume = "auto";
    const Status refused = start(options_);
    EXPECT_EQ(refused.code(), QL_BAD_FILE);
    EXPECT_NE(refused.message().find("step is 13, the run has 12"), std::string::npos) << refused.message();
}

TEST_F(CheckpointTest, ParametersAndMomentsThatNoRunWritesAreRefused) {
    const TrainedParam & p = step_->params()[1];
    const struct {
        ql_tensor * tensor;
        std::string name;
        float value;
    } cases[] = {{p.param, p.name, NAN},
                 {p.optimizer.states()[0].tensor, p.name + ".m", INFINITY},
                 {p.optimizer.states()[1].tensor, p.name + ".v", -1.0f}};
    for (const auto & c : cases) {
        float before = 0;
        ASSERT_EQ(ql_tensor_read(c.tensor, &before, 8, sizeof before), QL_OK);
        ASSERT_EQ(ql_tensor_write(c.tensor, &c.value, 8, sizeof c.value), QL_OK);
        forge(state_);
        const Status refused = load();
        EXPECT_EQ(refused.code(), QL_BAD_FILE) << c.name;
        EXPECT_NE(refused.message().find("'" + c.name + "'"), std::string::npos) << refused.message();
        ASSERT_EQ(ql_tensor_write(c.tensor, &before, 8, sizeof before), QL_OK);
    }
    forge(state_);
    EXPECT_TRUE(load().ok());
}

TEST_F(CheckpointTest, TensorsOfAnotherShapeAreRefused) {
    LoraOptions o;
    o.r = 4;
    auto wider = new_adapter(*model_, o);
    ASSERT_TRUE(wider.ok()) << wider.message();
    auto step = TrainStep::create(*model_, device_.get(), *wider, {.n_tokens = 64});
    ASSERT_TRUE(step.ok()) << step.message();
    ASSERT_TRUE(write_checkpoint(path(12), **step, state_).ok());
    const Status refused = load();
    EXPECT_EQ(refused.code(), QL_BAD_FILE);
    EXPECT_NE(refused.message().find("another shape"), std::string::npos) << refused.message();
}

TEST_F(CheckpointTest, RealNumbersComeBackToTheBit) {
    CheckpointState state = state_;
    state.loss_first = 0.1, state.loss_last = 1e-300, state.has_best = true, state.best_eval = 2.0 / 3;
    forge(state);
    const Checkpoint again = must_open(path(12));
    EXPECT_EQ(again.state.loss_first, state.loss_first);
    EXPECT_EQ(again.state.loss_last, state.loss_last);
    EXPECT_EQ(again.state.best_eval, state.best_eval);
}

/// The disk is checked before the run, with a chat template of any length in the adapter's record.
TEST_F(CheckpointTest, AreNoLargerThanExpected) {
    for (const size_t size : {size_t{0}, size_t{1} << 20}) {
        CheckpointState state = state_;
        state.adapter += std::string(size, ' ');
        forge(state);
        const uint64_t real = std::filesystem::file_size(path(12)), expected = checkpoint_bytes(*step_, state);
        EXPECT_LE(real, expected);
        EXPECT_LE(expected, real + (1 << 17)) << "nor much smaller";
    }
}

}  // namespace
}  // namespace ql::test
