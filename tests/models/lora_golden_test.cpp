// LoRA training against PEFT (tests/golden/lora): gradients of the first batch, ten losses, the final adapter.
#include <algorithm>
#include <cmath>

#include "models/adapter/kinds/kind.hpp"
#include "models/golden.hpp"
#include "models/train/step.hpp"

namespace ql::test {
namespace {

struct Names {
    const char * hf;
    const char * gguf;
    bool permuted;
};
constexpr Names kLinears[] = {{"self_attn.q_proj", "attn_q", true},  {"self_attn.k_proj", "attn_k", true},
                              {"self_attn.v_proj", "attn_v", false}, {"self_attn.o_proj", "attn_output", false},
                              {"mlp.gate_proj", "ffn_gate", false},  {"mlp.up_proj", "ffn_up", false},
                              {"mlp.down_proj", "ffn_down", false}};

class LoraGolden : public ::testing::TestWithParam<const char *> {
  protected:
    void SetUp() override {
        golden_ = SafeTensors::open(golden_path(std::string("lora/") + GetParam() + ".safetensors"));
        model_ = open_golden_model(std::string(GetParam()) == "tokens_untied" ? "llama3_rope" : "llama",
                                   std::string(GetParam()) == "nf4_dq" ? int64_t{QL_NF4_DQ} : int64_t{QL_BASE_KEEP});
        ASSERT_TRUE(model_);
        device_.reset(open_cpu(QL_COMPUTE_F32));
    }

    bool is_dora() const { return std::string(GetParam()) == "dora"; }
    bool is_miss() const { return std::string(GetParam()) == "miss"; }

    LoraMatrix lora(const std::string & stem) const {
        LoraMatrix m;
        const auto a = golden_.shape(stem + ".lora_A.weight"), b = golden_.shape(stem + ".lora_B.weight");
        m.r = a[0], m.k = a[1], m.m = b[0];
        m.scale = std::string(GetParam()) == "rslora" ? 4.0f : 2.0f;  // 8 / sqrt(4), 8 / 4
        m.a = golden_.f32(stem + ".lora_A.weight");
        m.b = golden_.f32(stem + ".lora_B.weight");
        return m;
    }

    /// PEFT's block is D^T [m, r].
    LoraMatrix miss(const std::string & stem, const std::string & weight) const {
        const auto block = golden_.shape(stem + ".miss_block");
        LoraMatrix m{weight, model_->find(weight)->ne[0], block[1], block[0], 1, {}, {}, LoraKind::miss};
        EXPECT_TRUE(def_of(LoraKind::miss).start(m, *model_->find(weight), 0, 1).ok());
        def_of(LoraKind::miss).fill(m, {});
        const std::vector<float> values = golden_.f32(stem + ".miss_block");
        m.b.resize(values.size());
        for (int64_t j = 0; j < m.r; ++j)
            for (int64_t i = 0; i < m.m; ++i)
                m.b[static_cast<size_t>(i * m.r + j)] = values[static_cast<size_t>(j * m.m + i)];
        return m;
    }

    /// PEFT's rows of a module's tokens, sorted; none where the file has none.
    void add_rows(Adapter & adapter, const std::string & module, const char * weight,
                  const std::vector<int32_t> & tokens) const {
        const std::string name = module + ".token_adapter.trainable_tokens_delta";
        if (!golden_.has(name)) return;
        const std::vector<float> values = golden_.f32(name);
        TokenRows rows{weight, tokens, {}};
        std::sort(rows.ids.begin(), rows.ids.end());
        const auto n = static_cast<int64_t>(values.size() / tokens.size());
        for (const int32_t id : rows.ids) {
            const auto at = values.begin() + (std::find(tokens.begin(), tokens.end(), id) - tokens.begin()) * n;
            rows.values.insert(rows.values.end(), at, at + n);
        }
        adapter.rows.push_back(std::move(rows));
    }

    /// The golden matrices "<kind>.<module>.lora_{A,B}.weight" as an adapter in GGUF's order.
    Adapter adapter(const std::string & kind) const {
        Adapter adapter;
        const Hparams & h = model_->hparams();
        for (int64_t layer = 0; layer < h.n_layer(); ++layer) {
            for (const Names & n : kLinears) {
                const std::string stem = kind + ".model.layers." + std::to_string(layer) + "." + n.hf;
                const std::string weight = "blk." + std::to_string(layer) + "." + n.gguf + ".weight";
                LoraMatrix m = is_miss() ? miss(stem, weight) : lora(stem);
                m.weight = weight;
                if (n.permuted) m.b = to_gguf_rows(m.b, m.m / h.head_dim, h.head_dim, m.r);
                if (is_dora()) {
                    m.kind = LoraKind::dora;
                    m.magnitude = golden_.f32(stem + ".lora_magnitude_vector.weight");
                    if (n.permuted) m.magnitude = to_gguf_rows(m.magnitude, m.m / h.head_dim, h.head_dim, 1);
                }
                adapter.matrices.push_back(std::move(m));
            }
        }
        add_rows(adapter, kind + ".model.embed_tokens", "token_embd.weight", {151, 12, 90, 45});  // make_lora_kinds.py
        if (std::string(GetParam()) == "alora") adapter.invocation = {7, 8};
        add_rows(adapter, kind + ".lm_head", "output.weight", {90, 45});
        return adapter;
    }

    MicroBatch batch(int index, float weight) const {
        const std::vector<int32_t> ids = golden_.i32("ids" + std::to_string(index));
        const auto n = static_cast<int64_t>(ids.size());
        const TokenSample sample{1, ids, std::vector<uint8_t>(ids.size(), 1)};
        const auto packed = pack({sample}, {0}, n, true);
        return MicroBatch::from_sequences(packed, 1, n, weight);
    }

    std::unique_ptr<TrainStep> step(const Adapter & start, ql_recompute recompute = QL_RECOMPUTE_CHEAP) const {
        StepOptions o;
        o.n_tokens = 32;
        o.recompute = recompute;
        auto made = TrainStep::create(*model_, device_.get(), start, o);
        EXPECT_TRUE(made.ok()) << made.message();
        return made.ok() ? std::move(made).value() : nullptr;
    }

    /// Step i of the golden runs' AdamW, with their clipping.
    static void update(TrainStep & s, int i) {
        const auto correction = [&](double beta) { return static_cast<float>(1 - std::pow(beta, i + 1)); };
        const float hyper[QL_HYPER_N] = {5e-3f, 0.9f, 0.999f, 1e-8f, 0, correction(0.9), correction(0.999), 0.3f};
        float norm = 0;
        const Status updated = s.update(hyper, &norm);
        EXPECT_TRUE(updated.ok()) << updated.message();
    }

    SafeTensors golden_;
    std::unique_ptr<Model> model_;
    DevicePtr device_;
};

double relative(const std::vector<float> & got, const std::vector<float> & expected) {
    return std::sqrt(nmse(got, expected));
}

TEST_P(LoraGolden, GradientsEqualPeft) {
    const Adapter start = adapter("init"), expected = adapter("grad");
    const auto s = step(start);
    ASSERT_TRUE(s);
    float loss = 0;
    ASSERT_TRUE(s->accumulate(batch(0, 1.0f / 31), 0, 0, 0, &loss).ok());
    EXPECT_NEAR(loss, std::stod(golden_.metadata("loss0")), 1e-5);
    for (const TrainedParam & p : s->params()) {
        std::vector<float> sum(static_cast<size_t>(ql_tensor_elements(p.sum)));
        ASSERT_EQ(ql_tensor_read(p.sum, sum.data(), 0, sum.size() * 4), QL_OK);
        EXPECT_LE(relative(sum, p.values(expected)), 1e-4) << p.name;
    }
}

TEST_P(LoraGolden, TenStepsEqualPeft) {
    const Adapter start = adapter("init"), expected = adapter("final");
    const auto s = step(start);
    ASSERT_TRUE(s);
    const std::vector<float> losses = golden_.f32("losses");
    for (int i = 0; i < 10; ++i) {
        float first = 0, second = 0;
        ASSERT_TRUE(s->accumulate(batch(2 * i, 1.0f / 62), 0, i, 0, &first).ok());
        ASSERT_TRUE(s->accumulate(batch(2 * i + 1, 1.0f / 62), 0, i, 32, &second).ok());
        EXPECT_NEAR(first + second, losses[static_cast<size_t>(i)], 1e-4) << "step " << i;
        update(*s, i);
    }
    Adapter trained = start;
    ASSERT_TRUE(s->read_adapter(trained).ok());
    for (size_t i = 0; i < trained.matrices.size(); ++i) {
        EXPECT_LE(relative(trained.matrices[i].down(), expected.matrices[i].down()), 1e-3)
            << trained.matrices[i].weight;
        EXPECT_LE(relative(trained.matrices[i].b, expected.matrices[i].b), 1e-3) << trained.matrices[i].weight;
        if (is_dora()) {
            EXPECT_LE(relative(trained.matrices[i].magnitude, expected.matrices[i].magnitude), 1e-3)
                << trained.matrices[i].weight;
        }
    }
    for (size_t i = 0; i < trained.rows.size(); ++i)
        EXPECT_LE(relative(trained.rows[i].values, expected.rows[i].values), 1e-3) << trained.rows[i].weight;
}

TEST_P(LoraGolden, EveryMatrixMovesInTenSteps) {
    Adapter start = adapter("init");
    for (LoraMatrix & m : start.matrices) std::fill(m.b.begin(), m.b.end(), 0.0f);  // as in a new adapter
    const auto s = step(start);
    ASSERT_TRUE(s);
    for (int i = 0; i < 10; ++i) {
        float loss = 0;
        ASSERT_TRUE(s->accumulate(batch(i, 1.0f / 31), 0, i, 0, &loss).ok());
        update(*s, i);
    }
    Adapter trained = start;
    ASSERT_TRUE(s->read_adapter(trained).ok());
    for (size_t i = 0; i < trained.matrices.size(); ++i) {
        EXPECT_EQ(trained.matrices[i].down() == start.matrices[i].down(), is_miss()) << trained.matrices[i].weight;
        EXPECT_NE(trained.matrices[i].b, start.matrices[i].b) << trained.matrices[i].weight;
        EXPECT_EQ(trained.matrices[i].magnitude != start.matrices[i].magnitude, is_dora());
    }
}

TEST_P(LoraGolden, RecomputationChangesNoBit) {
    const Adapter start = adapter("init");
    std::vector<std::vector<float>> sums;
    for (const ql_recompute recompute : {QL_RECOMPUTE_NONE, QL_RECOMPUTE_CHEAP, QL_RECOMPUTE_ALL}) {
        const auto s = step(start, recompute);
        ASSERT_TRUE(s);
        float loss = 0;
        ASSERT_TRUE(s->accumulate(batch(0, 1.0f / 31), 0, 0, 0, &loss).ok());
        std::vector<float> all;
        for (const TrainedParam & p : s->params()) {
            std::vector<float> sum(static_cast<size_t>(ql_tensor_elements(p.sum)));
            ASSERT_EQ(ql_tensor_read(p.sum, sum.data(), 0, sum.size() * 4), QL_OK);
            all.insert(all.end(), sum.begin(), sum.end());
        }
        sums.push_back(std::move(all));
    }
    EXPECT_EQ(sums[0], sums[1]);
    EXPECT_EQ(sums[0], sums[2]);
}

INSTANTIATE_TEST_SUITE_P(, LoraGolden,
                         ::testing::Values("f32", "nf4_dq", "rslora", "miss", "dora", "tokens", "tokens_untied",
                                           "alora"));

/// PEFT's own directories, tokens in its order: the adapter after ten steps. Ours comes back the same.
class DirectoryOfPeft : public LoraGolden {};
TEST_P(DirectoryOfPeft, IsWhatItTrained) {
    const Adapter expected = adapter("final");
    ASSERT_NE(expected.rows.empty(), expected.invocation.empty());
    const auto read = load_adapter(golden_path(std::string("lora/") + GetParam()), *model_);
    ASSERT_TRUE(read.ok()) << read.message();
    EXPECT_EQ(read->rows, expected.rows);
    EXPECT_EQ(read->invocation, expected.invocation);
    ASSERT_EQ(read->matrices.size(), expected.matrices.size());
    for (size_t i = 0; i < read->matrices.size(); ++i) EXPECT_EQ(read->matrices[i].b, expected.matrices[i].b);
}
INSTANTIATE_TEST_SUITE_P(, DirectoryOfPeft, ::testing::Values("tokens", "tokens_untied", "alora"));

}  // namespace
}  // namespace ql::test
