// Reading, generating and evaluating within a budget of memory: the bits of a run without one, whatever the budget.
#include <algorithm>
#include <filesystem>
#include <set>
#include <string>

#include "models/adapter/starts/start.hpp"
#include "models/golden.hpp"
#include "models/infer/evaluate.hpp"
#include "models/infer/session.hpp"
#include "support/temporary_folder.hpp"
#include "support/tiny_model.hpp"

namespace ql::test {
namespace {

constexpr uint64_t kMiB = 1024 * 1024;
using Logits = std::vector<std::vector<float>>;

/// A model of 19 MB of f32 weights in its file, so that they can be pages. Parameter: whether the head is the embedding.
class InferenceBudget : public ::testing::TestWithParam<bool> {
  protected:
    void SetUp() override {
        TinyModelOptions wide;
        wide.n_layer = 6, wide.n_embd = 256, wide.n_ff = 768, wide.n_ctx = 2048, wide.tied = GetParam();
        model_path_ = folder_.path("wide.gguf");
        tiny::Writer(wide).write(model_path_);
        open({sizeof(ql_model_options), QL_BASE_KEEP, QL_BASE_KEEP});
        for (int i = 0; i < 40; ++i)
            text_ += "the sea and the sand, and what is in the sand: " + std::to_string(i) + "\n";
    }
    void open(const ql_model_options & options) {
        auto model = open_model(model_path_, options);
        ASSERT_TRUE(model.ok()) << model.message();
        model_ = std::move(model).value();
    }

    Result<std::unique_ptr<Session>> session(uint64_t memory, const DevicePtr & device,
                                             std::span<const AppliedAdapter> adapters = {}) const {
        return Session::create(*model_, device.get(), adapters, ctx_, QL_F16, memory);
    }
    /// The logits after a prompt that takes several widths, then after each of the most probable tokens.
    Logits generate(uint64_t memory, int threads = 1, std::span<const AppliedAdapter> adapters = {}) const {
        const DevicePtr device(open_cpu(QL_COMPUTE_AUTO, threads));
        const auto s = session(memory, device, adapters);
        EXPECT_TRUE(s.ok()) << s.message();
        if (!s.ok()) return {};
        std::vector<int32_t> tokens;
        for (int64_t i = 0; i < ctx_ - 50; ++i) tokens.push_back(static_cast<int32_t>(i * 37 % 256));
        Logits all;
        for (int i = 0; i < 6; ++i) {
            const Status read = (*s)->eval(tokens);
            EXPECT_TRUE(read.ok()) << read.message();
            const auto logits = (*s)->logits();
            all.emplace_back(logits.begin(), logits.end());
            tokens = {static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin())};
        }
        return all;
    }
    ql_inference_info info(uint64_t memory) const {
        const DevicePtr device(open_cpu(QL_COMPUTE_AUTO, 1));
        const auto s = session(memory, device);
        EXPECT_TRUE(s.ok()) << s.message();
        return s.ok() ? (*s)->describe() : ql_inference_info{};
    }

    struct Evaluated {
        Likelihood result;
        std::vector<double> so_far;
        ql_inference_info plan{};
    };
    Evaluated evaluate(uint64_t memory, int threads = 1) const {
        const DevicePtr device(open_cpu(QL_COMPUTE_AUTO, threads));
        Evaluated e;
        const auto got =
            evaluate_text(*model_, device.get(), {}, text_, 64, 40,
                          [&](const Likelihood & l, int64_t, int64_t) { return e.so_far.push_back(l.nll), Status(); },
                          {memory, [&](const ql_inference_info & plan) { return e.plan = plan, Status(); }});
        EXPECT_TRUE(got.ok()) << got.message();
        if (got.ok()) e.result = *got;
        return e;
    }

    /// What the refusal of a byte says, in bytes.
    static uint64_t least(const Status & refused) {
        EXPECT_EQ(refused.code(), QL_NO_MEMORY);
        const size_t at = refused.message().find("at least ");
        if (at == refused.message().npos) return ADD_FAILURE() << refused.message(), 0;
        return std::stoull(refused.message().substr(at + 9)) * kMiB;
    }
    uint64_t least_of_session() const {
        const DevicePtr device(open_cpu(QL_COMPUTE_AUTO, 1));
        return least(session(1, device).status());
    }
    uint64_t least_of_evaluation() const {
        const DevicePtr device(open_cpu(QL_COMPUTE_AUTO, 1));
        return least(evaluate_text(*model_, device.get(), {}, text_, 64, 40, {}, {1, {}}).status());
    }

    int64_t ctx_ = 200;
    TemporaryFolder folder_;
    std::string model_path_, text_;
    std::unique_ptr<Model> model_;
};

TEST_P(InferenceBudget, ChangesNoLogit) {
    const Logits expected = generate(0);
    const uint64_t smallest = least_of_session() + kMiB, whole = info(0).planned_peak_bytes;
    ASSERT_LT(smallest + 8 * kMiB, whole);
    for (const double part : {0.0, 0.3, 0.7, 4.0})
        for (const int threads : {1, 3}) {
            const auto memory = smallest + static_cast<uint64_t>(part * static_cast<double>(whole - smallest));
            EXPECT_EQ(generate(memory, threads), expected) << memory << " bytes, " << threads << " threads";
        }
}

TEST_P(InferenceBudget, IsKeptByThePlan) {
    const uint64_t smallest = least_of_session() + kMiB;
    const uint64_t whole = info(0).planned_peak_bytes, all = info(smallest).read_bytes_per_pass;
    ASSERT_LT(smallest, whole);
    for (const double part : {0.0, 0.3, 0.6, 0.9}) {
        const uint64_t memory = smallest + static_cast<uint64_t>(part * static_cast<double>(whole - smallest));
        const ql_inference_info plan = info(memory);
        EXPECT_LE(plan.planned_peak_bytes, memory);
        EXPECT_EQ(plan.planned_peak_bytes, plan.weight_bytes + plan.page_bytes + plan.adapter_bytes + plan.cache_bytes +
                                               plan.activation_bytes + plan.input_bytes + plan.program_bytes);
        EXPECT_EQ(plan.cache_bytes, info(0).cache_bytes);
        EXPECT_GT(plan.read_bytes_per_pass, 0u);
        // A little more memory may go into reading ahead; much more keeps weights.
        if (part > 0.5) {
            EXPECT_LT(plan.read_bytes_per_pass, all) << part;
        }
    }
    EXPECT_EQ(info(0).read_bytes_per_pass, 0u);
    EXPECT_EQ(info(uint64_t{1} << 60).read_bytes_per_pass, 0u);
}

TEST_P(InferenceBudget, PiecesOfALongPromptShareAPass) {
    ctx_ = 1700;  // three pieces and a bit
    const Logits expected = generate(0);
    std::set<int64_t> lanes;
    for (const uint64_t more : {1, 4, 6}) {
        const uint64_t memory = least_of_session() + more * kMiB;
        lanes.insert(info(memory).lanes);
        EXPECT_EQ(generate(memory, 3), expected) << more;
    }
    EXPECT_GT(*lanes.rbegin(), 1) << "there is a budget where they do";
}

TEST_P(InferenceBudget, AppliesAdapters) {
    LoraOptions options;
    Adapter lora = new_adapter(*model_, options).value();
    for (LoraMatrix & m : lora.matrices)
        for (size_t i = 0; i < m.b.size(); ++i) m.b[i] = static_cast<float>(i % 17) * 0.003f;
    const AppliedAdapter applied[] = {{&lora, 0.5f}};
    const Logits expected = generate(0, 1, applied);
    ASSERT_NE(expected, generate(0));
    const DevicePtr device(open_cpu(QL_COMPUTE_AUTO, 1));
    const uint64_t memory = least(session(1, device, applied).status()) + kMiB;
    EXPECT_EQ(generate(memory, 3, applied), expected);
}

TEST_P(InferenceBudget, ChangesNoLoss) {
    const Evaluated expected = evaluate(0);
    EXPECT_EQ(expected.plan.lanes, 1);
    const uint64_t smallest = least_of_evaluation() + kMiB;
    for (const uint64_t more : {uint64_t{0}, 6 * kMiB, uint64_t{1} << 50})
        for (const int threads : {1, 3}) {
            const Evaluated got = evaluate(smallest + more, threads);
            EXPECT_EQ(got.result.nll, expected.result.nll) << more;
            EXPECT_EQ(got.result.tokens, expected.result.tokens);
            EXPECT_EQ(got.so_far, expected.so_far);
            EXPECT_LE(got.plan.planned_peak_bytes, smallest + more);
        }
    EXPECT_GT(evaluate(smallest + 6 * kMiB).plan.lanes, 1) << "windows share a pass";
}

TEST_P(InferenceBudget, ReadsOfAnEmbeddingOnlyTheRowsThatAreUsed) {
    ctx_ = 40;  // the widest plan reads 128 tokens, which are fewer than the table has
    const uint64_t table = model_->find("token_embd.weight")->bytes, all = info(0).weight_bytes;
    const ql_inference_info plan = info(least_of_session() + kMiB);
    const uint64_t rows = 128 * 256 * sizeof(float);  // of the widest plan
    EXPECT_LE(plan.read_bytes_per_pass + plan.weight_bytes, all + rows - (GetParam() ? 0 : table));
}

TEST_P(InferenceBudget, PagesWhatWasConvertedFromASpill) {
    const std::string here = folder_.path("");
    ql_model_options options{sizeof(options), QL_Q8_0, QL_BASE_KEEP};
    open(options);
    const Logits expected = generate(0);
    options.spill = here.c_str();
    open(options);
    const uint64_t memory = least_of_session() + kMiB;
    EXPECT_GT(info(memory).page_bytes, 0u);
    EXPECT_EQ(generate(memory), expected);
}

TEST_P(InferenceBudget, NamesAFileThatIsCutWhileItIsRead) {
    const DevicePtr device(open_cpu(QL_COMPUTE_AUTO, 1));
    const auto s = session(least_of_session() + kMiB, device);
    ASSERT_TRUE(s.ok()) << s.message();
    const int32_t token = 7;
    ASSERT_TRUE((*s)->eval({&token, 1}).ok());
    std::filesystem::resize_file(model_path_, std::filesystem::file_size(model_path_) / 3);
    const Status cut = (*s)->eval({&token, 1});
    EXPECT_EQ(cut.code(), QL_IO);
    EXPECT_NE(cut.message().find(model_path_), std::string::npos) << cut.message();
    EXPECT_EQ((*s)->position(), 1);
}

INSTANTIATE_TEST_SUITE_P(Heads, InferenceBudget, ::testing::Bool(),
                         [](const auto & head) { return head.param ? "Tied" : "Untied"; });

}  // namespace
}  // namespace ql::test
