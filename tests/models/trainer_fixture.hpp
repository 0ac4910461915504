// A tiny model, data for it and short runs over them: what the tests of the training loop and of its files share.
#pragma once
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "models/adapter/starts/eva.hpp"
#include "models/adapter/starts/start.hpp"
#include "models/golden.hpp"
#include "models/train/trainer.hpp"
#include "support/temporary_folder.hpp"
#include "support/tiny_model.hpp"

namespace ql::test {

class TrainerFixture : public ::testing::Test {
  protected:
    void SetUp() override {
        model_path_ = folder_.path("tiny.gguf");
        tiny::Writer(TinyModelOptions{}).write(model_path_);
        const ql_model_options options{sizeof(ql_model_options), QL_NF4_DQ, QL_BASE_KEEP};
        auto model = open_model(model_path_, options);
        ASSERT_TRUE(model.ok()) << model.message();
        model_ = std::move(model).value();
        std::string lines;
        for (int i = 0; i < 40; ++i) {
            const std::string n = std::to_string(i);
            lines += R"({"question":"what is )" + n + R"( and the sea?","answer":")" + n +
                     std::string(static_cast<size_t>(i % 7), 'x') + R"( in the sand"})" + "\n";
        }
        data_ = open(folder_.write("data.jsonl", lines));
        eval_ = open(folder_.write("eval.jsonl", lines.substr(0, lines.find('\n', 600) + 1)));
    }

    Dataset open(const std::string & path) const {
        ql_dataset_options o;
        ql_dataset_options_init(&o);
        o.ctx = 64;
        auto data = open_dataset({path}, *model_, o);
        EXPECT_TRUE(data.ok()) << data.message();
        return data.ok() ? std::move(data).value() : Dataset();
    }

    ql_train_options options() const {
        ql_train_options o;
        ql_train_options_init(&o);
        o.ctx = 64;
        o.grad_accum = 2;
        o.lr = 5e-3;
        o.steps = 12;
        return o;
    }

    Adapter adapter() const {
        LoraOptions o;
        o.r = rank_, o.tokens = tokens_, o.invocation = invocation_;
        auto a = new_adapter(*model_, o);
        EXPECT_TRUE(a.ok()) << a.message();
        const Status started = start_ == "eva" ? start_eva_of_data(*a) : start_adapter(*a, *model_, {start_, 42, 2});
        EXPECT_TRUE(started.ok()) << started.message();
        return std::move(a).value();
    }

    Status start_eva_of_data(Adapter & a) const {
        const DevicePtr device(open_cpu(QL_COMPUTE_AUTO));
        EvaOptions o;
        o.ctx = 64;
        return start_eva(a, *model_, device.get(), data_, o);
    }

    /// Trains and returns the adapter's numbers.
    std::vector<float> train(const ql_train_options & o, int threads = 2, Status * result = nullptr,
                             std::string * resumed = nullptr) {
        const DevicePtr device(open_cpu(QL_COMPUTE_AUTO, threads));
        Adapter a = adapter();
        auto trainer = Trainer::create(*model_, device.get(), a, data_, &eval_, o);
        EXPECT_TRUE(trainer.ok()) << trainer.message();
        if (!trainer.ok()) return {};
        if (resumed) *resumed = (*trainer)->describe().resumed_from;
        Status s = (*trainer)->run();
        if (result)
            *result = s;
        else
            EXPECT_TRUE(s.ok()) << s.message();
        std::vector<float> all;
        for (const LoraMatrix & m : a.matrices)
            all.insert(all.end(), m.a.begin(), m.a.end()), all.insert(all.end(), m.b.begin(), m.b.end());
        for (const TokenRows & r : a.rows) all.insert(all.end(), r.values.begin(), r.values.end());
        return all;
    }

    /// The status of creating such a run, before its first step.
    Status start(const ql_train_options & o, std::string * resumed = nullptr, const Dataset * eval = nullptr) {
        const DevicePtr device(open_cpu(QL_COMPUTE_AUTO));
        Adapter a = adapter();
        const auto trainer = Trainer::create(*model_, device.get(), a, data_, eval, o);
        if (trainer.ok() && resumed) *resumed = (*trainer)->describe().resumed_from;
        return trainer.status();
    }

    /// Trains, stops after the sixth step, and leaves a checkpoint of it.
    void train_six_steps(ql_train_options o) {
        o.on_progress = [](void *, const ql_train_progress * p) { return p->step == 6 ? 1 : 0; };
        Status status;
        train(o, 2, &status);
        EXPECT_EQ(status.code(), QL_CANCELLED) << status.message();
    }

    std::vector<nlohmann::json> metrics(const std::string & name) const {
        std::vector<nlohmann::json> lines;
        std::istringstream in(read_all(folder_.path(name)));
        for (std::string line; std::getline(in, line);) lines.push_back(nlohmann::json::parse(line));
        return lines;
    }

    TemporaryFolder folder_;
    std::string model_path_;
    std::unique_ptr<Model> model_;
    Dataset data_, eval_;
    std::string start_ = "default", tokens_, invocation_;  // of new adapters
    int64_t rank_ = 3;
};

}  // namespace ql::test
