// Every architecture on the base types that people train on: it loads, the fast kernels give what f32 gives on the same
// weights, some steps lower the loss, and the adapter that was trained comes back from its file. The models are the
// golden ones, four times as wide and with weights of a generator, as K-quants need rows of 256.
#include <algorithm>
#include <cmath>

#include "models/golden.hpp"
#include "models/adapter/starts/start.hpp"
#include "models/infer/evaluate.hpp"
#include "models/train/trainer.hpp"
#include "support/hf_folder.hpp"
#include "support/raw_safetensors.hpp"

namespace ql::test {
namespace {

constexpr int64_t kVocab = 160, kSteps = 20;

/// 96 and 192 are widths of feed-forward layers whose fourfold is no multiple of 256.
int64_t widened(int64_t n) {
    return n == kVocab ? n : n == 96 ? 512 : n == 192 ? 1024 : 4 * n;
}

std::vector<float> matrix(int64_t rows, int64_t k, uint32_t & seed) {
    std::vector<float> values(static_cast<size_t>(rows * k));
    const float scale = std::sqrt(3.0f / static_cast<float>(k));  // rows of length 1
    for (float & v : values) {
        seed = seed * 1664525 + 1013904223;
        v = scale * (static_cast<float>(seed >> 8) * 0x1p-23f - 1.0f);
    }
    return values;
}

std::vector<float> tiled(const std::vector<float> & values, size_t n) {
    std::vector<float> out(n);
    for (size_t i = 0; i < n; ++i) out[i] = values[i % values.size()];
    return out;
}

void widen(HfFolder & hf, const std::string & golden) {
    const SafeTensors small = SafeTensors::open(golden_path("arch/" + golden + "/model.safetensors"));
    SafeTensorsMaker wide;
    uint32_t seed = 1;
    for (const std::string & name : small.names()) {
        std::vector<int64_t> shape = small.shape(name);
        for (int64_t & n : shape) n = widened(n);
        wide.add(name, shape,
                 shape.size() == 2 ? matrix(shape[0], shape[1], seed)
                                   : tiled(small.f32(name), static_cast<size_t>(shape[0])));
    }
    std::ofstream(hf.path("model.safetensors"), std::ios::binary) << wide.file();
    for (const char * key : {"hidden_size", "intermediate_size", "head_dim"})
        if (hf.config.contains(key) && hf.config[key].is_number()) hf.config[key] = widened(hf.config[key]);
    hf.write_config();
}

class Table : public ::testing::TestWithParam<std::tuple<const char *, ql_dtype>> {
  protected:
    void SetUp() override {
        hf_.emplace(std::get<0>(GetParam()));
        widen(*hf_, std::get<0>(GetParam()));
        auto model = open_model(hf_->path(), {sizeof(ql_model_options), type(), QL_BASE_KEEP});
        ASSERT_TRUE(model.ok()) << model.message();
        model_ = std::move(model).value();
    }
    ql_dtype type() const { return std::get<1>(GetParam()); }

    Dataset data() const {
        std::string lines;
        for (const char * answer : {"a cab", "b back", "abc abc", "c"})
            lines += std::string(R"({"prompt": "say )") + answer + R"(: ", "completion": ")" + answer + "\"}\n";
        ql_dataset_options o;
        ql_dataset_options_init(&o);
        o.ctx = 64;
        auto opened = open_dataset({hf_->folder.write("data.jsonl", lines)}, *model_, o);
        EXPECT_TRUE(opened.ok()) << opened.message();
        return opened.ok() ? std::move(opened).value() : Dataset();
    }
    double loss(const Dataset & data, const Adapter * adapter) const {
        std::vector<AppliedAdapter> applied;
        if (adapter) applied.push_back({adapter});
        const auto got = evaluate_dataset(*model_, device_.get(), applied, data, 64);
        EXPECT_TRUE(got.ok()) << got.message();
        return got.ok() ? got->nll : NAN;
    }

    std::optional<HfFolder> hf_;
    std::unique_ptr<Model> model_;
    const DevicePtr device_{open_cpu(QL_COMPUTE_AUTO)}, exact_{open_cpu(QL_COMPUTE_F32)};
};

TEST_P(Table, LoadsAndGivesTheLogitsOfItsWeights) {
    for (const std::string & weight : model_->linears()) {
        const Weight * w = model_->find(weight);
        ASSERT_TRUE(w) << weight;
        EXPECT_EQ(w->dtype, type()) << weight;
    }
    const std::vector<int32_t> ids = some_tokens();
    EXPECT_LE(nmse(logits_of(*model_, device_.get(), ids), logits_of(*model_, exact_.get(), ids)), 5e-4);
}

TEST_P(Table, TwentyStepsLowerTheLossAndTheAdapterComesBack) {
    const Dataset samples = data();
    LoraOptions lora;
    lora.r = 8;
    auto adapter = new_adapter(*model_, lora);
    ASSERT_TRUE(adapter.ok()) << adapter.message();
    const Status started = start_adapter(*adapter, *model_, {"default", 42, 2});
    ASSERT_TRUE(started.ok()) << started.message();
    const double before = loss(samples, nullptr);
    ql_train_options o;
    ql_train_options_init(&o);
    o.ctx = 64, o.grad_accum = 1, o.lr = 2e-3, o.steps = kSteps;
    auto trainer = Trainer::create(*model_, device_.get(), *adapter, samples, nullptr, o);
    ASSERT_TRUE(trainer.ok()) << trainer.message();
    const Status run = (*trainer)->run();
    ASSERT_TRUE(run.ok()) << run.message();
    const double after = loss(samples, &*adapter);
    EXPECT_LT(after, 0.85 * before);
    const std::string path = hf_->path("adapter.gguf");
    const Status saved = save_adapter(*adapter, *model_, path);
    ASSERT_TRUE(saved.ok()) << saved.message();
    const auto again = load_adapter(path, *model_);
    ASSERT_TRUE(again.ok()) << again.message();
    EXPECT_NEAR(loss(samples, &*again), after, 1e-6);
}

INSTANTIATE_TEST_SUITE_P(, Table,
                         ::testing::Combine(::testing::Values("llama", "qwen2", "qwen3", "gemma2", "gemma3",
                                                              "mistral_window", "ministral3", "phi3", "smollm3",
                                                              "granite", "olmo2", "glm4"),
                                            ::testing::Values(QL_F16, QL_Q8_0, QL_Q4_K, QL_NF4_DQ)),
                         [](const auto & info) {
                             return std::string(std::get<0>(info.param)) + "_" + ql_dtype_name(std::get<1>(info.param));
                         });

}  // namespace
}  // namespace ql::test
