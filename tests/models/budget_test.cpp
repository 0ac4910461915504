// Training within a budget of memory: the bits of a run without one, whatever the budget, threads and interruptions.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "models/trainer_fixture.hpp"
#include "support/faulty_reads.hpp"

namespace ql::test {
namespace {

constexpr uint64_t kMiB = 1024 * 1024;

/// A model of 20 MB of f32 weights in its file, so that they can be pages.
class Budget : public TrainerFixture {
  protected:
    void SetUp() override {
        TrainerFixture::SetUp();
        TinyModelOptions wide;
        wide.n_layer = 6, wide.n_embd = 256, wide.n_ff = 768;
        model_path_ = folder_.path("wide.gguf");
        tiny::Writer(wide).write(model_path_);
        auto model = open_model(model_path_, {sizeof(ql_model_options), QL_BASE_KEEP, QL_BASE_KEEP});
        ASSERT_TRUE(model.ok()) << model.message();
        model_ = std::move(model).value();
        data_ = open(folder_.path("data.jsonl"));
        eval_ = open(folder_.path("eval.jsonl"));
    }

    ql_train_options short_run(uint64_t memory) const {
        ql_train_options o = options();
        o.steps = 4, o.grad_accum = 3, o.memory = memory;
        return o;
    }

    ql_trainer_info info(const ql_train_options & o) {
        const DevicePtr device(open_cpu(QL_COMPUTE_AUTO));
        Adapter a = adapter();
        const auto trainer = Trainer::create(*model_, device.get(), a, data_, &eval_, o);
        EXPECT_TRUE(trainer.ok()) << trainer.message();
        return trainer.ok() ? (*trainer)->describe() : ql_trainer_info{};
    }

    /// What the refusal of a budget of a byte says, in bytes.
    uint64_t least() { return least(short_run(1)); }
    uint64_t least(ql_train_options o) {
        o.memory = 1;
        const Status refused = start(o);
        EXPECT_EQ(refused.code(), QL_NO_MEMORY);
        const std::string & text = refused.message();
        const size_t at = text.find("at least ");
        if (at == text.npos) return ADD_FAILURE() << text, 0;
        return std::stoull(text.substr(at + 9)) * kMiB;
    }
};

TEST_F(Budget, ChangesNoBit) {
    const std::vector<float> expected = train(short_run(0));
    const uint64_t whole = info(short_run(0)).planned_peak_bytes, smallest = least() + 2 * kMiB;
    ASSERT_LT(smallest + 8 * kMiB, whole);
    for (const double part : {0.0, 0.3, 0.7, 4.0})
        for (const int threads : {1, 3}) {
            const auto memory = smallest + static_cast<uint64_t>(part * static_cast<double>(whole - smallest));
            EXPECT_EQ(train(short_run(memory), threads), expected) << memory << " bytes, " << threads << " threads";
        }
}

/// Micro-batches that go through the model side by side have masks, and slots of their tokens' rows, of their own.
TEST_F(Budget, ChangesNoBitOfRowsOfTokensAndActivatedAdapters) {
    for (const auto & [tokens, invocation] : {std::pair("<|im_end|>,the,7", ""), {"", "xxxxxx"}}) {
        tokens_ = tokens, invocation_ = invocation;
        const std::vector<float> expected = train(short_run(0));
        const uint64_t memory = least() + 4 * kMiB;
        EXPECT_GT(info(short_run(memory)).lanes, 1) << tokens << invocation;
        EXPECT_EQ(train(short_run(memory)), expected) << tokens << invocation;
    }
}

TEST_F(Budget, ThatARefusalNamesIsEnough) {
    const std::string here = folder_.path("");
    for (const bool spills : {false, true})
        for (const int64_t n : {1, 3}) {
            ql_train_options o = short_run(0);
            o.grad_accum = n;
            if (spills) o.spill = here.c_str(), o.optimizer = QL_OPTIMIZER_PAGED_ADAMW;
            least(o);  // the process of the tests grows where it plans for the first time
            o.memory = least(o) + 2 * kMiB;
            const Status planned = start(o);
            EXPECT_TRUE(planned.ok()) << planned.message();
            o.memory -= 5 * kMiB;
            EXPECT_EQ(start(o).code(), QL_NO_MEMORY);
        }
}

TEST_F(Budget, IsKeptByThePlan) {
    const uint64_t smallest = least() + 2 * kMiB;
    for (const uint64_t more : {0, 4, 8}) {
        const uint64_t memory = smallest + more * kMiB;
        const ql_trainer_info plan = info(short_run(memory));
        EXPECT_LE(plan.planned_peak_bytes, memory);
        EXPECT_GT(plan.read_bytes_per_step, 0u);
        EXPECT_LE(plan.read_bytes_per_step, 3 * 2 * model_->weight_bytes());
    }
}

TEST_F(Budget, MayBeAnotherWhenARunGoesOn) {
    ql_train_options o = short_run(0);
    o.steps = 12;
    const std::vector<float> expected = train(o);
    const std::string checkpoints = folder_.path("run.ckpt");
    o.checkpoint_dir = checkpoints.c_str();
    o.memory = least() + 2 * kMiB;
    train_six_steps(o);
    o.resume = "auto";
    o.memory += 7 * kMiB;
    std::string resumed;
    EXPECT_EQ(train(o, 3, nullptr, &resumed), expected);
    EXPECT_FALSE(resumed.empty());
}

TEST_F(Budget, IsSmallerWhereInputsOfLayersWaitOnDisk) {
    ql_train_options o = short_run(0);
    o.batch = 64, o.grad_accum = 2, o.steps = 1;
    const std::vector<float> expected = train(o);
    const uint64_t without = least(o);
    const std::string here = folder_.path("");
    o.spill = here.c_str();
    o.memory = least(o) + 4 * kMiB;
    EXPECT_LT(o.memory, without);
    const std::vector<std::string> names = folder_.names();
    for (const int threads : {1, 3}) EXPECT_EQ(train(o, threads), expected);
    EXPECT_GT(info(o).spill_bytes, 0u);
    EXPECT_EQ(folder_.names(), names) << "the spill has no name";
    o.spill = "/nowhere";
    EXPECT_EQ(start(o).code(), QL_NOT_FOUND);
}

/// However many micro-batches a step has: all of them pass a layer while it is in memory.
TEST_F(Budget, ReadsWeightsNoMoreThanTwiceAStepWithADiskForResults) {
    const std::string here = folder_.path("");
    for (const int64_t n : {1, 4, 8}) {
        ql_train_options o = short_run(0);
        o.batch = 16, o.grad_accum = n, o.steps = 1;
        const std::vector<float> expected = train(o);
        o.spill = here.c_str();
        o.memory = least(o) + 12 * kMiB;
        const ql_trainer_info plan = info(o);
        EXPECT_EQ(plan.groups, 1) << n;
        EXPECT_LE(plan.read_bytes_per_step, 2 * model_->weight_bytes());
        EXPECT_GT(plan.read_bytes_per_step, 0u);
        EXPECT_EQ(train(o), expected) << n;
    }
}

TEST_F(Budget, IsSmallerWhereTheOptimizerIsPaged) {
    rank_ = 64;
    ql_train_options o = short_run(0);
    const std::vector<float> expected = train(o);
    const std::string here = folder_.path("");
    o.spill = here.c_str();
    const uint64_t without = least(o), states = info(o).optimizer_bytes;
    o.optimizer = QL_OPTIMIZER_PAGED_ADAMW;
    o.memory = least(o) + 9 * kMiB;  // the process of the tests grows meanwhile
    EXPECT_GT(info(o).optimizer_paged_bytes, states * 9 / 10);
    EXPECT_LT(o.memory + states * 3 / 10, without);
    EXPECT_GT(info(o).adapter_paged_bytes, states * 9 / 10) << "parameters and their sums are as large";
    EXPECT_LE(info(o).planned_peak_bytes, o.memory);
    const std::vector<std::string> names = folder_.names();
    for (const int threads : {1, 3}) EXPECT_EQ(train(o, threads), expected);
    EXPECT_EQ(folder_.names(), names) << "the spill has no name";
}

TEST_F(Budget, PagesWhatWasConvertedFromASpill) {
    const std::string here = folder_.path("");
    const std::vector<std::string> names = folder_.names();
    ql_model_options options{sizeof(options), QL_Q8_0, QL_BASE_KEEP};
    auto model = open_model(model_path_, options);
    ASSERT_TRUE(model.ok()) << model.message();
    model_ = std::move(model).value();
    const std::vector<float> expected = train(short_run(0));
    options.spill = here.c_str();
    model = open_model(model_path_, options);
    ASSERT_TRUE(model.ok()) << model.message();
    model_ = std::move(model).value();
    EXPECT_EQ(folder_.names(), names) << "the spill has no name";
    const ql_train_options o = short_run(least() + 2 * kMiB);
    EXPECT_GT(info(o).page_bytes, 0u);
    EXPECT_EQ(train(o), expected);
    options.spill = "/nowhere";
    EXPECT_FALSE(open_model(model_path_, options).ok());
}

TEST_F(Budget, ADiskThatReadsLittleAtATimeChangesNoBit) {
    const std::vector<float> expected = train(short_run(0));
    const uint64_t memory = least() + 2 * kMiB;
    FaultyReads faults(model_path_);
    FaultyReads::most = 5000;
    EXPECT_EQ(train(short_run(memory)), expected);
    EXPECT_GT(FaultyReads::spoilt, 0);
}

TEST_F(Budget, AReadThatFailsEndsTheRunAndLeavesItsCheckpoint) {
    ql_train_options o = short_run(0);
    o.steps = 6, o.save_every = 2;
    const std::vector<float> expected = train(o);
    const std::string checkpoints = folder_.path("run.ckpt");
    o.memory = least() + 2 * kMiB;
    o.checkpoint_dir = checkpoints.c_str();
    FaultyReads faults(model_path_);
    o.on_progress = [](void *, const ql_train_progress * p) {
        if (p->step == 3) FaultyReads::broken_from = 0;
        return 0;
    };
    Status failed;
    train(o, 2, &failed);
    EXPECT_EQ(failed.code(), QL_IO);
    EXPECT_TRUE(failed.message().starts_with(model_path_ + ": cannot read at byte ")) << failed.message();
    EXPECT_EQ(failed.message().find('\n'), std::string::npos) << failed.message();
    FaultyReads::broken_from = -1;
    o.on_progress = nullptr, o.resume = "auto";
    std::string resumed;
    EXPECT_EQ(train(o, 3, nullptr, &resumed), expected);
    EXPECT_NE(resumed.find("2"), std::string::npos) << resumed;
}

/// Another program writes other weights over the last half of the file.
TEST_F(Budget, AModelThatIsOverwrittenEndsTheRunAndLeavesItsCheckpoint) {
    const std::string content = read_all(model_path_), checkpoints = folder_.path("run.ckpt");
    const auto overwrite = [&](const std::string & with) {
        std::fstream file(model_path_, std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(static_cast<std::streamoff>(content.size() - with.size()));
        file << with << std::flush;
        EXPECT_TRUE(file.good());
    };
    const std::string half = content.substr(content.size() / 2);
    ql_train_options o = short_run(0);
    o.steps = 6, o.save_every = 2;
    const std::vector<float> expected = train(o);
    o.checkpoint_dir = checkpoints.c_str();
    for (const bool budgeted : {false, true}) {  // what the process holds by then is part of the least
        o.memory = budgeted ? least() + 8 * kMiB : 0, o.resume = nullptr, o.overwrite = QL_OVERWRITE_ALL;
        std::function<void()> at_third = [&] { overwrite(std::string(half.size(), '\x11')); };
        o.user = &at_third;
        o.on_progress = [](void * user, const ql_train_progress * p) {
            if (p->step == 3) (*static_cast<std::function<void()> *>(user))();
            return 0;
        };
        Status failed;
        train(o, 2, &failed);
        EXPECT_EQ(failed.code(), QL_IO);
        EXPECT_TRUE(failed.message().starts_with(model_path_ + ": another program has overwritten it"))
            << failed.message();
        overwrite(half);
        o.on_progress = nullptr, o.resume = "auto";
        std::string resumed;
        EXPECT_EQ(train(o, 2, nullptr, &resumed), expected) << "the same weights again are no others";
        EXPECT_NE(resumed.find("2"), std::string::npos) << resumed;
    }
}

TEST_F(Budget, AModelThatIsReplacedIsTrainedOnAsItWas) {
    ql_train_options o = short_run(0);
    const std::vector<float> expected = train(o);
    for (const bool budgeted : {false, true}) {
        const std::string content = read_all(model_path_);
        o.memory = budgeted ? least() + 8 * kMiB : 0, o.user = &model_path_;
        o.on_progress = [](void * user, const ql_train_progress * p) {
            const std::string & path = *static_cast<std::string *>(user);
            if (p->step == 2) {
                std::filesystem::remove(path);
                std::ofstream(path) << "another file";
            }
            return 0;
        };
        EXPECT_EQ(train(o), expected);
        std::filesystem::remove(model_path_);
        folder_.write("wide.gguf", content);
        auto model = open_model(model_path_, {sizeof(ql_model_options), QL_BASE_KEEP, QL_BASE_KEEP});
        ASSERT_TRUE(model.ok()) << model.message();
        model_ = std::move(model).value();
    }
}

TEST_F(Budget, WeightsWithoutAFileStayInMemory) {
    const ql_model_options converted{sizeof(ql_model_options), QL_Q8_0, QL_BASE_KEEP};
    auto model = open_model(model_path_, converted);
    ASSERT_TRUE(model.ok()) << model.message();
    model_ = std::move(model).value();
    const std::vector<float> expected = train(short_run(0));
    const ql_train_options o = short_run(least() + 2 * kMiB);
    EXPECT_EQ(info(o).page_bytes, 0u);
    EXPECT_EQ(train(o), expected);
}

TEST_F(Budget, HoldsWithDropoutAndNoise) {
    ql_train_options o = short_run(0);
    o.lora_dropout = 0.2, o.neftune_alpha = 3;
    const std::vector<float> expected = train(o);
    o.memory = least() + 2 * kMiB;
    EXPECT_EQ(train(o), expected);
}

}  // namespace
}  // namespace ql::test
