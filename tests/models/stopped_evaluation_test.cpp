// A run that is stopped in an evaluation stops at once, and goes on by making it: nothing of the result tells that it was
// stopped.
#include <utility>

#include "models/trainer_fixture.hpp"

namespace ql::test {
namespace {

class StoppedEvaluation : public TrainerFixture {
  protected:
    struct Files {
        std::string checkpoints, metrics, best;
    };
    Files files(const std::string & name) const {
        return {folder_.path(name), folder_.path(name + ".jsonl"), folder_.path(name + ".gguf")};
    }
    ql_train_options writing(const Files & f) const {
        ql_train_options o = options();
        o.checkpoint_dir = f.checkpoints.c_str(), o.metrics_path = f.metrics.c_str(), o.best_path = f.best.c_str();
        o.eval_every = 4, o.save_every = 4, o.resume = "auto";
        return o;
    }

    /// Where a run is to be stopped: after so many micro-batches of so many evaluations.
    struct Place {
        int evaluations, batches;
        int seen = 0;
        bool reached = false;
    };
    void stop_at(Place place, ql_train_options o) {
        o.user = &place;
        o.on_batch = [](void * user, int evaluates, int64_t done, int64_t) {
            auto & p = *static_cast<Place *>(user);
            p.seen += evaluates && done == 1 ? 1 : 0;
            p.reached = p.reached || (evaluates && p.seen == p.evaluations && done == p.batches);
        };
        o.cancelled = [](void * user) { return static_cast<Place *>(user)->reached ? 1 : 0; };
        Status status;
        train(o, 2, &status);
        EXPECT_EQ(status.code(), QL_CANCELLED) << status.message();
    }

    /// Lines of metrics without what a clock says.
    std::vector<nlohmann::json> lines(const std::string & name) const {
        auto all = metrics(name);
        for (auto & line : all)
            for (const char * key : {"tok_s", "seconds", "rss_bytes"}) line.erase(key);
        return all;
    }
};

TEST_F(StoppedEvaluation, IsMadeWhenTheRunGoesOn) {
    const Files whole = files("whole");
    const std::vector<float> straight = train(writing(whole));
    ASSERT_EQ(lines("whole.jsonl").size(), 12u);
    for (const int at : {1, 2, 3}) {  // after steps 4, 8 and 12, the last
        const std::string name = "stopped" + std::to_string(at);
        const Files stopped = files(name);
        stop_at({at, 2}, writing(stopped));
        EXPECT_EQ(lines(name + ".jsonl").size(), static_cast<size_t>(4 * at - 1)) << "the step's line is not there yet";
        stop_at({1, 1}, writing(stopped));
        EXPECT_EQ(lines(name + ".jsonl").size(), static_cast<size_t>(4 * at - 1));
        EXPECT_EQ(train(writing(stopped)), straight) << at;
        EXPECT_EQ(lines(name + ".jsonl"), lines("whole.jsonl")) << at;
        EXPECT_EQ(read_all(stopped.best), read_all(whole.best)) << at;
    }
}

TEST_F(StoppedEvaluation, IsMadeByTheSameTrainerToo) {
    const std::vector<float> straight = train(options());
    const DevicePtr device(open_cpu(QL_COMPUTE_AUTO));
    Adapter a = adapter();
    ql_train_options o = options();
    o.eval_every = 4;
    int asked = 0;
    o.user = &asked;
    o.on_batch = [](void * user, int evaluates, int64_t, int64_t) { *static_cast<int *>(user) += evaluates; };
    o.cancelled = [](void * user) { return *static_cast<int *>(user) == 1 ? 1 : 0; };
    asked = 100;  // never 1: the run goes through
    Adapter other = adapter();
    EXPECT_TRUE((*Trainer::create(*model_, device.get(), other, data_, &eval_, o))->run().ok());
    const int n_batches = std::exchange(asked, 0) - 100;  // of evaluations
    const auto trainer = Trainer::create(*model_, device.get(), a, data_, &eval_, o);
    ASSERT_TRUE(trainer.ok()) << trainer.message();
    EXPECT_EQ((*trainer)->run().code(), QL_CANCELLED);
    EXPECT_EQ((*trainer)->summary().steps, 4);
    ++asked;
    const Status status = (*trainer)->run();
    EXPECT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(asked, 2 + n_batches) << "the evaluation that was stopped is made, from its first batch";
    std::vector<float> all;
    for (const LoraMatrix & m : a.matrices)
        all.insert(all.end(), m.a.begin(), m.a.end()), all.insert(all.end(), m.b.begin(), m.b.end());
    EXPECT_EQ(all, straight);
}

}  // namespace
}  // namespace ql::test
