// Numbers in files, options and messages are the same whatever locale the host has set: what is written and read under
// a decimal comma, or under a point of two bytes, is compared with what the C locale gives.
#include "models/data/read_dataset.hpp"
#include "models/json/parse_json.hpp"
#include "models/load/read_hf_config.hpp"
#include "models/trainer_fixture.hpp"
#include "support/made_locale.hpp"

namespace ql::test {
namespace {

class LocaleTest : public TrainerFixture, public testing::WithParamInterface<NumberStyle> {
  protected:
    /// What `f` gives in this test's locale.
    template <typename F>
    auto abroad(const F & f) const {
        const MadeLocale locale(GetParam());
        char text[16];
        std::snprintf(text, sizeof text, "%.1f", 0.5);
        EXPECT_EQ(text, std::string("0") + GetParam().decimal_point + "5");  // the locale is in force
        return f();
    }
    template <typename F>
    void expect_same(const F & f) const {
        const auto home = f();
        EXPECT_EQ(abroad(f), home);
    }

    /// Six of twelve steps, with metrics and without: a checkpoint counts the metrics' bytes, which depend on times.
    void train_half(const std::string & name) {
        const std::string dir = folder_.path(name), lines = folder_.path(name + ".jsonl"), mute = dir + "-mute";
        ql_train_options o = run(dir, lines);
        train_six_steps(o);
        o.checkpoint_dir = mute.c_str(), o.metrics_path = nullptr;
        train_six_steps(o);
    }
    /// What the two runs left: the newest checkpoint's bytes, and the metrics without the times.
    std::string files(const std::string & name) const {
        std::string all = read_all(folder_.path(name + "-mute/step-00000006.gguf"));
        for (const auto & line : metrics(name + ".jsonl"))
            for (const char * key : {"step", "epoch", "loss", "lr", "grad_norm", "tokens"})
                all += line[key].dump() + " ";
        return all;
    }
    ql_train_options run(const std::string & dir, const std::string & lines) const {
        ql_train_options o = options();
        o.checkpoint_dir = dir.c_str(), o.metrics_path = lines.c_str(), o.save_every = 3;
        return o;
    }
    Adapter odd_adapter() const {
        LoraOptions o;
        o.r = 3, o.alpha = 0.5f;
        auto made = new_adapter(*model_, o);
        EXPECT_TRUE(made.ok()) << made.message();
        return std::move(made).value();
    }
};

INSTANTIATE_TEST_SUITE_P(Numbers, LocaleTest, testing::ValuesIn(kNumberStyles),
                         [](const auto & info) { return std::string(info.param.name); });

TEST_P(LocaleTest, CheckpointsAndMetrics) {
    train_half("home");
    abroad([&] { train_half("abroad"); });
    EXPECT_TRUE(files("home") == files("abroad"));
}

TEST_P(LocaleTest, ARunGoesOnInAnotherLocale) {
    train_half("run");
    const std::string dir = folder_.path("run"), lines = folder_.path("run.jsonl");
    ql_train_options o = run(dir, lines);
    o.resume = "auto";
    std::string resumed;
    const auto abroad_numbers = abroad([&] { return train(o, 2, nullptr, &resumed); });
    EXPECT_EQ(resumed, dir + "/step-00000006.gguf");
    EXPECT_EQ(abroad_numbers, train(options()));
    EXPECT_EQ(metrics("run.jsonl").size(), 12u);
}

TEST_P(LocaleTest, Adapters) {
    const Adapter adapter = odd_adapter();
    const std::string path = folder_.path("a.gguf"), peft = folder_.path("peft");
    expect_same([&] {
        const Status saved = save_adapter(adapter, *model_, path), exported = save_peft(adapter, *model_, peft);
        EXPECT_TRUE(saved.ok() && exported.ok()) << saved.message() << exported.message();
        const auto one = load_adapter(path, *model_), other = load_adapter(peft, *model_);
        EXPECT_TRUE(one.ok() && other.ok()) << one.message() << other.message();
        EXPECT_EQ(one->matrices[0].scale, 0.5f / 3);
        EXPECT_EQ(other->matrices[0].scale, 0.5f / 3);
        return read_all(path) + read_all(peft + "/adapter_config.json");
    });
}

TEST_P(LocaleTest, Data) {
    const std::string path = folder_.write(
        "weights.jsonl",
        R"({"messages":[{"role":"user","content":"0.5"},{"role":"assistant","content":"half","weight":0.5}]})"
        "\n");
    expect_same([&] {
        ql_dataset_options o;
        ql_dataset_options_init(&o);
        const auto data = open_dataset({path}, *model_, o);
        return data.ok() ? std::to_string(data->n_trained()) : data.message();
    });
}

TEST_P(LocaleTest, Json) {
    expect_same([] {
        const auto json = parse_json(R"([0.5, 1e-05, 10000.25, -1.5E3, 123456789, {"a": 2.5}])");
        return json.ok() ? json->dump() : json.message();
    });
    EXPECT_EQ(abroad([] { return parse_json("[0.5]").value()[0].get<double>(); }), 0.5);
    expect_same([] { return parse_json("[1,5]").value().dump() + parse_json("[0,5.]").message(); });
}

TEST_P(LocaleTest, HuggingFaceConfigs) {
    const std::string path = folder_.write(
        "config.json",
        R"({"model_type":"llama","hidden_size":24,"num_hidden_layers":2,"num_attention_heads":4,"intermediate_size":40,)"
        R"("vocab_size":19,"rms_norm_eps":1.5e-05,"rope_theta":10000.5,"max_position_embeddings":100})");
    abroad([&] {
        const auto json = JsonFile::open(path);
        ASSERT_TRUE(json.ok()) << json.message();
        const auto config = read_hf_config(*json);
        ASSERT_TRUE(config.ok()) << config.message();
        EXPECT_EQ(config->hparams.rope.base, 10000.5f);
        EXPECT_EQ(config->hparams.rms_eps, 1.5e-5f);
    });
}

TEST_P(LocaleTest, Templates) {
    expect_same([] {
        auto chat = ChatTemplate::parse(
            "{{ 0.5 }} {{ 1e-5 }} {{ '2.5'|float * 2 }} {{ [1.25]|tojson }} {{ 1.55|round(1) }} {{ '%.2f' }}", {});
        if (!chat.ok()) return chat.message();
        const auto text = chat->render({}, false);
        return text.ok() ? *text : text.message();
    });
}

TEST_P(LocaleTest, Messages) {
    expect_same([] { return format("%g %.1f %e", 0.5, 2.25, 1e-5) + error(QL_IO, "%g", 0.5).message(); });
    EXPECT_EQ(abroad([&] {
                  return start([&] {
                             ql_train_options o = options();
                             o.ctx = 100000;
                             return o;
                         }())
                      .message();
              }),
              "ctx 100000 is more than the model's context of 256");
}

}  // namespace
}  // namespace ql::test
