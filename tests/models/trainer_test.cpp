// The training loop on a tiny model: which runs must be equal, how a run stops, and how it goes on.
#include <cmath>

#include "models/train/schedule.hpp"
#include "models/trainer_fixture.hpp"
#include "models/watched_disk.hpp"

namespace ql::test {
namespace {

class TrainerTest : public TrainerFixture {};

TEST_F(TrainerTest, AnyNumberOfThreadsGivesTheSameBits) {
    const std::vector<float> one = train(options(), 1);
    for (const int threads : {2, 3, 8}) EXPECT_EQ(train(options(), threads), one) << threads;
}

TEST_F(TrainerTest, AccumulationEqualsTheLargeBatch) {
    ql_train_options small = options(), large = options();
    small.batch = 1, small.grad_accum = 4, large.batch = 4, large.grad_accum = 1;
    small.steps = large.steps = 3;
    small.eps = large.eps = 1e-3;  // so that a tiny gradient's rounding is not blown up to a whole step
    const std::vector<float> a = train(small), b = train(large);
    EXPECT_LE(std::sqrt(nmse(a, b)), 1e-4);
}

TEST_F(TrainerTest, LearnsTheData) {
    ql_train_options o = options();
    o.steps = 60;
    const std::string path = folder_.path("m.jsonl");
    o.metrics_path = path.c_str();
    o.eval_every = 20;
    train(o);
    const auto lines = metrics("m.jsonl");
    ASSERT_EQ(lines.size(), 60u);
    EXPECT_LT(lines.back()["loss"].get<double>(), 0.6 * lines.front()["loss"].get<double>());
    EXPECT_LT(lines.back()["eval_loss"].get<double>(), lines[19]["eval_loss"].get<double>());
    for (const char * key : {"step", "epoch", "loss", "lr", "grad_norm", "tokens", "tok_s", "seconds", "rss_bytes"})
        EXPECT_TRUE(lines[0].contains(key)) << key;
}

TEST_F(TrainerTest, ResumedRunGivesTheSameBitsAndMetrics) {
    const std::string straight_metrics = folder_.path("a.jsonl"), cut_metrics = folder_.path("b.jsonl"),
                      dir = folder_.path("ck");
    ql_train_options o = options();
    o.metrics_path = straight_metrics.c_str();
    o.lora_dropout = 0.1, o.neftune_alpha = 5;
    const std::vector<float> straight = train(o);

    o.metrics_path = cut_metrics.c_str();
    o.checkpoint_dir = dir.c_str();
    o.resume = "auto";
    o.save_every = 2;
    o.on_progress = [](void *, const ql_train_progress * p) { return p->step == 7 ? 1 : 0; };
    Status status;
    train(o, 2, &status);
    EXPECT_EQ(status.code(), QL_CANCELLED);
    EXPECT_NE(status.message().find("step 7 of 12"), std::string::npos) << status.message();
    std::filesystem::remove(dir + "/step-00000007.gguf");  // as if killed between checkpoints: steps after 6 run again
    o.on_progress = nullptr;
    std::string resumed;
    EXPECT_EQ(train(o, 3, nullptr, &resumed), straight);
    EXPECT_NE(resumed.find("step-00000006.gguf"), std::string::npos) << resumed;

    const auto a = metrics("a.jsonl"), b = metrics("b.jsonl");
    ASSERT_EQ(a.size(), b.size());
    for (size_t i = 0; i < a.size(); ++i) {
        EXPECT_EQ(a[i]["step"], b[i]["step"]);
        EXPECT_EQ(a[i]["loss"], b[i]["loss"]);
        EXPECT_EQ(a[i]["grad_norm"], b[i]["grad_norm"]);
    }
}

TEST_F(TrainerTest, KeepsTheNewestCheckpoints) {
    const std::string dir = folder_.path("ck");
    ql_train_options o = options();
    o.checkpoint_dir = dir.c_str();
    o.save_every = 1;
    o.keep = 3;
    train(o);
    std::vector<std::string> names;
    for (const auto & e : std::filesystem::directory_iterator(dir))
        if (e.path().extension() == ".gguf") names.push_back(e.path().filename());
    std::sort(names.begin(), names.end());
    EXPECT_EQ(names, (std::vector<std::string>{"step-00000010.gguf", "step-00000011.gguf", "step-00000012.gguf"}));
}

TEST_F(TrainerTest, ACheckpointIsWrittenAfterTheLinesThatItCountsAreOnTheDisk) {
    const std::string lines = folder_.path("m.jsonl"), dir = folder_.path("ck");
    ql_train_options o = options();
    o.metrics_path = lines.c_str();
    o.checkpoint_dir = dir.c_str();
    o.save_every = 5;
    o.keep = 9;
    const WatchedDisk disk;
    train(o);
    const auto synced = disk.synced();
    const ino_t metrics = WatchedDisk::file(lines);
    int64_t on_disk = 0, checkpoints = 0;
    for (const WatchedDisk::Synced & s : synced) {
        if (s.file == metrics) on_disk = s.size;
        for (const auto & entry : std::filesystem::directory_iterator(dir)) {
            if (WatchedDisk::file(entry.path().string()) != s.file) continue;
            ql_gguf * file = nullptr;
            ASSERT_EQ(ql_gguf_open(entry.path().c_str(), &file), QL_OK) << ql_error_message();
            int64_t counted = 0;
            EXPECT_EQ(ql_gguf_get_int(file, "ql.checkpoint.metrics_bytes", &counted), QL_OK);
            ql_gguf_close(file);
            EXPECT_GT(counted, 100);
            EXPECT_GE(on_disk, counted) << entry.path();
            ++checkpoints;
        }
    }
    EXPECT_EQ(checkpoints, 3);
    EXPECT_EQ(on_disk, static_cast<int64_t>(std::filesystem::file_size(lines)));
}

TEST_F(TrainerTest, DamagedCheckpointIsPassedOver) {
    const std::string dir = folder_.path("ck");
    ql_train_options o = options();
    o.checkpoint_dir = dir.c_str();
    o.save_every = 6;
    o.resume = "auto";
    const std::vector<float> straight = train(o);
    std::string bytes = read_all(dir + "/step-00000012.gguf");
    bytes[bytes.size() - 100] = static_cast<char>(bytes[bytes.size() - 100] ^ 1);
    std::ofstream(dir + "/step-00000012.gguf", std::ios::binary) << bytes;
    std::string resumed;
    EXPECT_EQ(train(o, 2, nullptr, &resumed), straight);
    EXPECT_NE(resumed.find("step-00000006.gguf"), std::string::npos) << resumed;
}

TEST_F(TrainerTest, ResumeWithOtherOptionsNamesTheDifference) {
    const std::string dir = folder_.path("ck");
    ql_train_options o = options();
    o.checkpoint_dir = dir.c_str();
    train(o);
    o.resume = "auto";
    o.lr = 1e-3;
    const Status refused = start(o);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.code(), QL_INVALID_ARGUMENT);
    EXPECT_NE(refused.message().find("lr 0.001"), std::string::npos) << refused.message();
}

TEST_F(TrainerTest, NewRunDoesNotOverwriteCheckpoints) {
    const std::string dir = folder_.path("ck");
    ql_train_options o = options();
    o.checkpoint_dir = dir.c_str();
    train(o);
    const Status refused = start(o);
    ASSERT_FALSE(refused.ok());
    EXPECT_NE(refused.message().find("--resume auto"), std::string::npos) << refused.message();
}

TEST_F(TrainerTest, TenNonFiniteStepsEndTheRunAndChangeNothing) {
    const DevicePtr device(open_cpu(QL_COMPUTE_AUTO));
    Adapter a = adapter();
    a.matrices[3].b[5] = INFINITY;
    const Adapter before = a;
    ql_train_options o = options();
    o.steps = 50;
    int skipped = 0;
    o.user = &skipped;
    o.on_progress = [](void * user, const ql_train_progress * p) {
        return *static_cast<int *>(user) += p->skipped != nullptr, 0;
    };
    auto trainer = Trainer::create(*model_, device.get(), a, data_, nullptr, o);
    ASSERT_TRUE(trainer.ok()) << trainer.message();
    const Status s = (*trainer)->run();
    EXPECT_EQ(s.code(), QL_NON_FINITE);
    EXPECT_NE(s.message().find("(10 in a row)"), std::string::npos) << s.message();
    EXPECT_EQ(skipped, 9);  // the tenth is the error
    for (size_t i = 0; i < a.matrices.size(); ++i) EXPECT_EQ(a.matrices[i].a, before.matrices[i].a);
}

TEST_F(TrainerTest, BestAdapterIsKept) {
    const std::string best = folder_.path("best.gguf");
    ql_train_options o = options();
    o.best_path = best.c_str();
    o.eval_every = 4;
    train(o);
    const auto loaded = load_adapter(best, *model_);
    EXPECT_TRUE(loaded.ok()) << loaded.message();
}

TEST_F(TrainerTest, PoisonedSampleChangesNoOtherSample) {
    const DevicePtr device(open_cpu(QL_COMPUTE_AUTO));
    StepOptions so;
    so.n_tokens = 160;
    auto step = TrainStep::create(*model_, device.get(), adapter(), so);
    ASSERT_TRUE(step.ok()) << step.message();
    auto packed = pack(data_.samples, sample_order(static_cast<int64_t>(data_.samples.size()), false, 0, 0), 160, true);
    PackedSequence & s = packed[0];
    ASSERT_GE(*std::max_element(s.segments.begin(), s.segments.end()), 1) << "two samples at least";
    std::vector<float> clean, poisoned;
    ASSERT_TRUE((*step)->evaluate(MicroBatch::from_sequences({&s, 1}, 1, 160, 1.0f), clean).ok());
    for (size_t i = 0; i < s.tokens.size(); ++i)
        if (s.segments[i] == 0) s.tokens[i] = (s.tokens[i] + 17) % 200;
    ASSERT_TRUE((*step)->evaluate(MicroBatch::from_sequences({&s, 1}, 1, 160, 1.0f), poisoned).ok());
    for (size_t i = 0; i < s.tokens.size(); ++i) {
        if (s.segments[i] == 0) continue;
        EXPECT_EQ(clean[i], poisoned[i]) << i;
    }
    EXPECT_NE(clean, poisoned);
}

TEST_F(TrainerTest, APlanIsMadeWithoutTheAdaptersValues) {
    const DevicePtr device(open_cpu(QL_COMPUTE_AUTO));
    Adapter a = adapter(), later = a;
    for (float & v : later.matrices[0].b) v = 0.25f;
    double losses[2];
    int64_t tokens = 0;
    for (int is_late = 0; is_late < 2; ++is_late) {
        Adapter start = is_late ? a : later;
        auto trainer = Trainer::create(*model_, device.get(), start, data_, &eval_, options());
        ASSERT_TRUE(trainer.ok()) << trainer.message();
        start = later;
        ASSERT_TRUE((*trainer)->read_adapter().ok());
        EXPECT_EQ(start.matrices[0].b, later.matrices[0].b) << "nothing has run";
        ASSERT_TRUE((*trainer)->evaluate(losses[is_late], tokens).ok());
        start = a;
        ASSERT_TRUE((*trainer)->read_adapter().ok());
        EXPECT_EQ(start.matrices[0].b, later.matrices[0].b) << "those that it runs with";
        double again = 0;
        start = Adapter(a);
        ASSERT_TRUE((*trainer)->evaluate(again, tokens).ok());
        EXPECT_EQ(again, losses[is_late]) << "it goes on from where it is";
    }
    EXPECT_EQ(losses[0], losses[1]);
}

TEST_F(TrainerTest, MoreContextThanTheModelHasIsRefused) {
    ql_train_options o = options();
    o.ctx = 100000;
    const Status refused = start(o);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.code(), QL_INVALID_ARGUMENT);
}

TEST(Schedule, WarmsUpAndFalls) {
    EXPECT_EQ(part_of_steps(0.03, 100), 3);
    EXPECT_EQ(part_of_steps(0.03, 10), 1);
    EXPECT_EQ(part_of_steps(20, 10), 10);
    const auto rate = [](ql_schedule kind, double peak, int64_t step, double floor = 0) {
        return learning_rate({kind, peak, 100, 4, floor, 20}, step);
    };
    EXPECT_DOUBLE_EQ(rate(QL_SCHEDULE_COSINE, 1, 0), 0.25);
    EXPECT_DOUBLE_EQ(rate(QL_SCHEDULE_COSINE, 1, 3), 1.0);
    EXPECT_DOUBLE_EQ(rate(QL_SCHEDULE_COSINE, 1, 28), 0.5 + std::sqrt(0.125));
    EXPECT_DOUBLE_EQ(rate(QL_SCHEDULE_COSINE, 1, 52), 0.5);
    EXPECT_DOUBLE_EQ(rate(QL_SCHEDULE_COSINE, 1, 52, 0.1), 0.55);
    EXPECT_DOUBLE_EQ(rate(QL_SCHEDULE_LINEAR, 2, 28), 1.5);
    EXPECT_DOUBLE_EQ(rate(QL_SCHEDULE_LINEAR, 2, 76), 0.5);
    EXPECT_DOUBLE_EQ(rate(QL_SCHEDULE_LINEAR, 2, 76, 0.5), 1.25);
    EXPECT_DOUBLE_EQ(rate(QL_SCHEDULE_CONSTANT, 2, 99), 2.0);
    EXPECT_GT(rate(QL_SCHEDULE_COSINE, 1, 99), 0);
    for (const ql_schedule kind : {QL_SCHEDULE_COSINE, QL_SCHEDULE_LINEAR, QL_SCHEDULE_WSD})
        EXPECT_DOUBLE_EQ(rate(kind, 2, 500, 0.25), 0.5) << "behind the end";
}

TEST(Schedule, StaysAndFallsAtTheEnd) {
    const auto rate = [](int64_t step) { return learning_rate({QL_SCHEDULE_WSD, 2, 100, 4, 0.5, 20}, step); };
    EXPECT_DOUBLE_EQ(rate(1), 1.0);
    for (const int64_t step : {3, 4, 50, 80}) EXPECT_DOUBLE_EQ(rate(step), 2.0);
    EXPECT_DOUBLE_EQ(rate(90), 1.5);
    EXPECT_DOUBLE_EQ(rate(99), 1.05);
    EXPECT_DOUBLE_EQ(learning_rate({QL_SCHEDULE_WSD, 2, 10, 4, 0, 20}, 4),
                     2.0);  // a decay that is longer than the rest
    EXPECT_DOUBLE_EQ(learning_rate({QL_SCHEDULE_WSD, 2, 10, 4, 0, 20}, 7), 1.0);
}

TEST(Schedule, FallsWithTheRootWhateverTheEnd) {
    for (const int64_t n : {100, 1000}) {
        const auto rate = [&](int64_t step) {
            return learning_rate({QL_SCHEDULE_INVERSE_SQRT, 2, n, 4, 0.25, 20}, step);
        };
        EXPECT_DOUBLE_EQ(rate(3), 2.0);
        EXPECT_DOUBLE_EQ(rate(15), 1.0);
        EXPECT_DOUBLE_EQ(rate(99), 0.5);
    }
}

}  // namespace
}  // namespace ql::test
