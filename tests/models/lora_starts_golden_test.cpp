// Starts, ranks and alphas by pattern against PEFT (tests/golden/lora-starts): the start, ten losses, the final branch.
#include <cmath>

#include "models/adapter/frozen.hpp"
#include "models/adapter/starts/eva.hpp"
#include "models/adapter/starts/start.hpp"
#include "models/adapters.hpp"
#include "models/train/step.hpp"

namespace ql::test {
namespace {

struct ModuleName {
    const char * hf;
    const char * gguf;
};
constexpr ModuleName kModules[] = {{"self_attn.q_proj", "attn_q"}, {"self_attn.k_proj", "attn_k"},
                                   {"self_attn.v_proj", "attn_v"}, {"self_attn.o_proj", "attn_output"},
                                   {"mlp.gate_proj", "ffn_gate"},  {"mlp.up_proj", "ffn_up"},
                                   {"mlp.down_proj", "ffn_down"}};

/// "layers.0.self_attn.q_proj" of "blk.0.attn_q.weight".
std::string module_of(const std::string & weight) {
    for (const ModuleName & m : kModules)
        if (weight.substr(6) == std::string(m.gguf) + ".weight") return "layers." + weight.substr(4, 1) + "." + m.hf;
    return "";
}

class LoraStartsGolden : public ::testing::Test {
  protected:
    void open(const char * file, int64_t base_type = QL_BASE_KEEP) {
        golden_ = SafeTensors::open(golden_path(std::string("lora-starts/") + file + ".safetensors"));
        ids_ = SafeTensors::open(golden_path("lora/f32.safetensors"));
        model_ = open_golden_model("llama", base_type);
        ASSERT_TRUE(model_);
        device_.reset(open_cpu(QL_COMPUTE_F32));
    }

    Adapter fresh(const char * start, LoraOptions options = {4, 8, false, "all", 1}) const {
        Adapter adapter = new_adapter(*model_, options).value();
        const Status started = start_adapter(adapter, *model_, {start, 1, 2});
        EXPECT_TRUE(started.ok()) << started.message();
        return adapter;
    }

    TokenSample sample(int i) const {
        const std::vector<int32_t> ids = ids_.i32("ids" + std::to_string(i));
        return {1, ids, std::vector<uint8_t>(ids.size(), 1)};
    }

    MicroBatch batch(int i) const {
        return MicroBatch::from_sequences(pack({sample(i)}, {0}, 32, true), 1, 32, 1.0f / 62);
    }

    /// The losses of ten steps; the adapter holds the result.
    void expect_ten_steps(Adapter & adapter) const {
        StepOptions o;
        o.n_tokens = 32;
        auto made = TrainStep::create(*model_, device_.get(), adapter, o);
        ASSERT_TRUE(made.ok()) << made.message();
        TrainStep & step = **made;
        const std::vector<float> losses = golden_.f32("losses");
        for (int i = 0; i < 10; ++i) {
            float first = 0, second = 0, norm = 0;
            ASSERT_TRUE(step.accumulate(batch(2 * i), 0, i, 0, &first).ok());
            ASSERT_TRUE(step.accumulate(batch(2 * i + 1), 0, i, 32, &second).ok());
            EXPECT_NEAR(first + second, losses[static_cast<size_t>(i)], 1e-4) << "step " << i;
            const auto correction = [&](double beta) { return static_cast<float>(1 - std::pow(beta, i + 1)); };
            const float hyper[QL_HYPER_N] = {5e-3f, 0.9f, 0.999f, 1e-8f, 0, correction(0.9), correction(0.999), 0.3f};
            ASSERT_TRUE(step.update(hyper, &norm).ok());
        }
        ASSERT_TRUE(step.read_adapter(adapter).ok());
    }

    /// s B A of the trained part of the modules that the file shows.
    void expect_products(const Adapter & adapter, const std::string & when, double tolerance) const {
        int shown = 0;
        for (const LoraMatrix & m : split_frozen(adapter).trained.matrices) {
            const std::string name = when + "." + module_of(m.weight);
            if (!golden_.has(name)) continue;
            ++shown;
            std::vector<float> expected = golden_.f32(name);
            if (m.weight.find("attn_q") != m.weight.npos) expected = to_gguf_rows(expected, 4, 16, m.k);
            const std::vector<double> got = product(m);
            EXPECT_LE(std::sqrt(nmse(std::vector<float>(got.begin(), got.end()), expected)), tolerance) << name;
        }
        EXPECT_EQ(shown, 4);
    }

    SafeTensors golden_, ids_;
    std::unique_ptr<Model> model_;
    DevicePtr device_;
};

TEST_F(LoraStartsGolden, PissaEqualsPeft) {
    open("pissa");
    Adapter adapter = fresh("pissa");
    for (const LoraMatrix & m : adapter.matrices) {
        EXPECT_EQ(m.r, 8);
        for (const double v : product(m)) ASSERT_LE(std::abs(v), 1e-12) << m.weight;
    }
    expect_products(adapter, "start", 1e-5);
    expect_ten_steps(adapter);
    expect_products(adapter, "final", 1e-3);
}

TEST_F(LoraStartsGolden, LoftqEqualsTheSingularVectorsOfTheLoss) {
    open("loftq", QL_NF4_DQ);
    Adapter adapter = fresh("loftq");
    expect_products(adapter, "start", 1e-4);
    expect_ten_steps(adapter);
    expect_products(adapter, "final", 1e-3);
}

TEST_F(LoraStartsGolden, EvaEqualsPeft) {
    open("eva");
    Adapter adapter = fresh("default");
    Dataset data;
    data.model = model_.get();
    data.samples = {sample(0), sample(1)};
    EvaOptions options;
    options.ctx = 32, options.batch = 1, options.shuffle = options.packing = false;
    const Status started = start_eva(adapter, *model_, device_.get(), data, options);
    ASSERT_TRUE(started.ok()) << started.message();
    for (const LoraMatrix & m : adapter.matrices) {
        const std::vector<float> expected = golden_.f32("a." + module_of(m.weight));
        for (int64_t j = 0; j < 4; ++j) {
            double along = 0;
            for (int64_t i = 0; i < m.k; ++i)
                along += static_cast<double>(m.a[static_cast<size_t>(j * m.k + i)]) *
                         static_cast<double>(expected[static_cast<size_t>(j * m.k + i)]);
            EXPECT_NEAR(std::abs(along), 1, 1e-4) << m.weight << " " << j;  // either sign is as good
        }
    }
    expect_ten_steps(adapter);
    expect_products(adapter, "final", 1e-3);
}

TEST_F(LoraStartsGolden, PatternsEqualPeft) {
    open("patterns");
    LoraOptions options{4, 8, false, "all", 1};
    options.rank_pattern = R"(attn_q=8,blk\.0\.ffn_down=2)";
    options.alpha_pattern = R"(attn_v=2,blk\.2\.=20)";
    Adapter adapter = fresh("default", options);
    for (LoraMatrix & m : adapter.matrices) {
        const std::string name = module_of(m.weight);
        EXPECT_FLOAT_EQ(m.scale, golden_.f32("scale." + name)[0]) << name;
        const std::vector<float> a = golden_.f32("init." + name + ".lora_A");
        ASSERT_EQ(m.a.size(), a.size()) << name;
        m.a = a;
        m.b = golden_.f32("init." + name + ".lora_B");
        if (const bool k = m.weight.find("attn_k") != m.weight.npos; k || m.weight.find("attn_q") != m.weight.npos)
            m.b = to_gguf_rows(m.b, m.m / 16, 16, m.r);
    }
    expect_products(adapter, "start", 1e-6);
    expect_ten_steps(adapter);
    expect_products(adapter, "final", 1e-3);
}

}  // namespace
}  // namespace ql::test
