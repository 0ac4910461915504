// Plans within a budget, and plans of several lanes: the bits of a plan without either, whatever the budget.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "ggml/core/os/os.hpp"
#include "ql/ql.hpp"
#include "support/temporary_folder.hpp"

namespace ql::test {
namespace {

constexpr int kLayers = 6, kLanes = 3;
constexpr int64_t kWidth = 160, kTokens = 33;                     // a result is above kSmallestPage, too
constexpr size_t kWeightBytes = kWidth * kWidth * sizeof(float);  // above kSmallestPage

/// Layers x + B silu(W x), whose W lie in a file and whose B are trained; the sums of the gradients of all lanes.
class Pages : public testing::Test {
  protected:
    Pages() {
        std::vector<float> values(kLayers * kWidth * kWidth);
        for (size_t i = 0; i < values.size(); ++i)
            values[i] = static_cast<float>(i * 2654435761u % 1000) / 6000 - 0.08f;
        path_ =
            folder_.write("weights", {reinterpret_cast<const char *>(values.data()), values.size() * sizeof(float)});
        auto file = os::MappedFile::open(path_);
        EXPECT_TRUE(file.ok()) << file.message();
        file_.emplace(std::move(file).value());
        auto options = defaults<ql_device_options>();
        options.compute = QL_COMPUTE_F32;  // where products round to bf16, results come in two widths
        EXPECT_EQ(QL_OK, ql_device_open(&options, out(device_)));
    }

    struct Made {
        GraphPtr graph;
        PlanPtr plan;
        ql_tensor *x, *loss;
        std::vector<ql_tensor *> params, sums, outputs;
    };

    void build(Made & m) const {
        ASSERT_EQ(QL_OK, ql_graph_create(out(m.graph)));
        ql_graph * g = m.graph.get();
        const int64_t in[] = {kWidth, kTokens}, square[] = {kWidth, kWidth}, flat = kWidth * kTokens;
        ql_tensor * x = m.x = ql_input(g, "x", QL_F32, 2, in);
        std::vector<ql_tensor *> grads(kLayers), &params = m.params;
        for (int i = 0; i < kLayers; ++i) {
            ASSERT_EQ(QL_OK, ql_graph_set_place(g, i));
            ql_tensor * w = ql_weight(g, "w", QL_F32, 2, square, file_->data() + static_cast<size_t>(i) * kWeightBytes);
            params.push_back(ql_param(g, "b", 2, square));
            x = ql_add(g, x, ql_mul_mat(g, params.back(), ql_unary(g, ql_mul_mat(g, w, x), QL_UNARY_SILU)));
        }
        m.loss = ql_sum_rows(g, ql_reshape(g, ql_mul(g, x, x), 1, &flat));
        ASSERT_EQ(QL_OK, ql_gradients(g, m.loss, params.data(), kLayers, QL_RECOMPUTE_NONE, grads.data()))
            << ql_error_message();
        m.outputs = {m.loss};
        for (int i = 0; i < kLayers; ++i) {
            m.sums.push_back(ql_state(g, "sum", QL_F32, 2, square));
            m.outputs.push_back(ql_accumulate(g, m.sums.back(), grads[static_cast<size_t>(i)]));
        }
    }

    static ql_plan_options options(uint64_t memory, int lanes, int recomputed = 0) {
        ql_plan_options o{};
        o.size = sizeof(o);
        o.memory = memory, o.lanes = lanes, o.recomputed = recomputed;
        return o;
    }
    Status make(Made & m, const ql_plan_options & o) const {
        m.plan.reset();
        m = Made();
        build(m);
        QL_ASSIGN(m.plan, make_plan(m.graph, device_.get(), m.outputs, o));
        for (size_t i = 0; i < m.params.size(); ++i) {
            const std::vector<float> b(kWidth * kWidth, 0.01f * static_cast<float>(i + 1));
            QL_TRY(write_tensor(m.params[i], b));
        }
        return {};
    }
    uint64_t least(int lanes) const { return least(options(1, lanes)); }
    uint64_t least(const ql_plan_options & o) const {
        Made m;
        build(m);
        ql_device * device = device_.get();
        uint64_t bytes = 0;
        EXPECT_EQ(QL_OK, ql_plan_least_memory(m.graph.get(), &device, 1, m.outputs.data(),
                                              static_cast<int>(m.outputs.size()), &o, &bytes));
        return bytes;
    }
    static ql_plan_info describe(const Made & m) {
        ql_plan_info info{sizeof(info)};
        EXPECT_EQ(QL_OK, ql_plan_describe(m.plan.get(), &info));
        return info;
    }

    /// Losses of micro-batches and the sums of their gradients, in as many runs as the plan's lanes need.
    static std::vector<float> run(Made & m, int batches = kLanes) {
        const int lanes = std::max(describe(m).lanes, 1);
        std::vector<float> all;
        for (int first = 0; first < batches; first += lanes) {
            const int n = std::min(lanes, batches - first);
            for (int i = 0; i < n; ++i) {
                std::vector<float> x(kWidth * kTokens);
                for (size_t e = 0; e < x.size(); ++e)
                    x[e] = static_cast<float>((e * 7 + static_cast<size_t>(first + i)) % 13) / 13;
                EXPECT_EQ(QL_OK, ql_plan_write_lane(m.plan.get(), i, m.x, x.data(), 0, x.size() * sizeof(float)))
                    << ql_error_message();
            }
            EXPECT_EQ(QL_OK, ql_plan_run_lanes(m.plan.get(), n)) << ql_error_message();
            for (int i = 0; i < n; ++i) {
                float loss = 0;
                EXPECT_EQ(QL_OK, ql_plan_read_lane(m.plan.get(), i, m.loss, &loss, 0, sizeof(loss)));
                all.push_back(loss);
            }
        }
        for (const ql_tensor * sum : m.sums) {
            std::vector<float> values(kWidth * kWidth);
            EXPECT_EQ(QL_OK, ql_tensor_read(sum, values.data(), 0, values.size() * sizeof(float)));
            all.insert(all.end(), values.begin(), values.end());
        }
        return all;
    }

    TemporaryFolder folder_;
    std::string path_;
    std::optional<os::MappedFile> file_;
    DevicePtr device_;
};

TEST_F(Pages, GiveTheSameBitsWithEveryBudgetAndNumberOfLanes) {
    Made plain;
    ASSERT_TRUE(make(plain, options(0, 1)).ok()) << ql_error_message();
    const std::vector<float> expected = run(plain);
    const uint64_t whole = describe(plain).peak_bytes;
    for (int lanes = 1; lanes <= kLanes; ++lanes)
        for (const double part : {0.0, 0.25, 0.5, 0.75, 2.0}) {
            const uint64_t smallest = least(lanes);
            ASSERT_LT(smallest, whole);
            const auto memory = smallest + static_cast<uint64_t>(part * static_cast<double>(whole - smallest));
            Made m;
            ASSERT_TRUE(make(m, options(memory, lanes)).ok()) << memory << ": " << ql_error_message();
            EXPECT_LE(describe(m).peak_bytes, memory);
            EXPECT_EQ(run(m), expected) << lanes << " lanes, " << memory << " bytes";
            EXPECT_EQ(describe(m).read_bytes == 0, describe(m).page_bytes == 0);
        }
}

TEST_F(Pages, ResultsThatWaitOnDiskComeBack) {
    Made plain;
    ASSERT_TRUE(make(plain, options(0, 1)).ok()) << ql_error_message();
    const std::vector<float> expected = run(plain);
    const std::string here = folder_.path("");
    for (int lanes = 1; lanes <= kLanes; ++lanes) {
        ql_plan_options o = options(1, lanes);
        o.spill = here.c_str();
        o.memory = least(o);
        ASSERT_LT(o.memory, least(lanes));
        Made m;
        ASSERT_TRUE(make(m, o).ok()) << ql_error_message();
        EXPECT_GT(describe(m).spill_bytes, 0u);
        EXPECT_EQ(run(m), expected) << lanes << " lanes";
        EXPECT_GT(describe(m).bytes_written, 0u);
    }
}

/// The plan has more lanes than memory for what they carry from layer to layer; the last group of a run has fewer still.
TEST_F(Pages, AnyNumberOfLanesPassesALayerTogetherWhereTheirResultsAreOnDisk) {
    constexpr int kMany = 8, kBatches = 13;
    Made plain, m;
    ASSERT_TRUE(make(plain, options(0, 1)).ok()) << ql_error_message();
    const std::vector<float> expected = run(plain, kBatches);
    const std::string here = folder_.path("");
    ql_plan_options o = options(1, kMany);
    o.spill = here.c_str();
    const uint64_t result = kWidth * kTokens * sizeof(float);
    // Lanes that carry all inputs of layers need their memory each, those with the last results alone three times that.
    const uint64_t most = least(1) + (kMany + 1) * (result + 4096) + 2 * kWeightBytes;
    ASSERT_LT(most, least(1) + kMany * 3 * result);
    o.memory = least(o);
    for (int lanes = 0; lanes < kMany; o.memory += 4096) {
        ASSERT_LT(o.memory, most);
        ASSERT_TRUE(make(m, o).ok()) << ql_error_message();
        lanes = describe(m).lanes;
    }
    const ql_plan_info info = describe(m);
    EXPECT_LE(info.peak_bytes, o.memory);
    EXPECT_LE(info.read_bytes, 2 * kLayers * kWeightBytes);
    EXPECT_GT(info.read_bytes, 0u);
    EXPECT_EQ(run(m, kBatches), expected);
    EXPECT_EQ(describe(m).bytes_read, 2 * info.read_bytes + info.spill_read_bytes / kMany * kBatches);
    EXPECT_EQ(describe(m).bytes_written, info.spill_written_bytes / kMany * kBatches);
    EXPECT_GT(info.spill_written_bytes, info.spill_bytes) << "gradients take the places of inputs";
}

TEST_F(Pages, NothingIsSpilledWhereTheDiskHasNoRoom) {
    const std::string here = folder_.path(""), full = "/proc";
    uint64_t free = 1;
    if (ql_os_free_space(full.c_str(), &free) != QL_OK || free > 0) GTEST_SKIP() << "no file system without room";
    ql_plan_options o = options(1, 1);
    o.spill = here.c_str();
    const uint64_t with = least(o), without = least(1);
    o.spill = full.c_str();
    EXPECT_EQ(least(o), without);
    Made m;
    o.memory = without;
    ASSERT_TRUE(make(m, o).ok()) << ql_error_message();
    EXPECT_EQ(describe(m).spill_bytes, 0u);
    o.memory = with;
    const Status refused = make(m, o);
    EXPECT_EQ(refused.code(), QL_NO_SPACE);
    EXPECT_TRUE(refused.message().starts_with(full + ": at least ")) << refused.message();
}

TEST_F(Pages, LanesAloneChangeNothing) {
    Made plain, lanes;
    ASSERT_TRUE(make(plain, options(0, 1)).ok());
    ASSERT_TRUE(make(lanes, options(0, kLanes, kLayers)).ok()) << ql_error_message();
    EXPECT_EQ(describe(lanes).lanes, kLanes);
    EXPECT_EQ(run(lanes), run(plain));
}

TEST_F(Pages, AreReadTwiceARunWhateverTheLanes) {
    const uint64_t most = 2 * kLayers * kWeightBytes;
    for (int lanes = 1; lanes <= kLanes; ++lanes) {
        Made m;
        ASSERT_TRUE(
            make(m, options(least(1) + static_cast<uint64_t>(lanes - 1) * kLayers * 2 * kWidth * kTokens * 4, lanes))
                .ok());
        const ql_plan_info before = describe(m);
        run(m);
        const int runs = (kLanes + before.lanes - 1) / before.lanes;
        EXPECT_EQ(describe(m).bytes_read, before.read_bytes * static_cast<uint64_t>(runs));
        EXPECT_LE(before.read_bytes, most);
        EXPECT_GT(before.read_bytes, 0u);
    }
}

/// Bytes that the system has read for this process, from its cache or from a disk; 0 where it does not say.
uint64_t bytes_read_by_process() {
    std::ifstream io("/proc/self/io");
    uint64_t bytes = 0;
    for (std::string name; io >> name >> bytes;)
        if (name == "rchar:") return bytes;
    return 0;
}

TEST_F(Pages, TheSystemCountsWhatThePlanSays) {
    if (bytes_read_by_process() == 0) GTEST_SKIP() << "the system does not say what was read";
    Made m;
    ASSERT_TRUE(make(m, options(least(1), 1)).ok());
    run(m);  // the first run also reads what stays
    const uint64_t by_system = bytes_read_by_process(), by_plan = describe(m).bytes_read;
    run(m);
    const auto expected = static_cast<double>(describe(m).read_bytes * kLanes);
    EXPECT_EQ(static_cast<double>(describe(m).bytes_read - by_plan), expected);
    EXPECT_NEAR(static_cast<double>(bytes_read_by_process() - by_system), expected, 0.05 * expected);
}

TEST_F(Pages, ABudgetOfOneByteLessThanTheLeastIsRefusedWithTheLeast) {
    Made m;
    const uint64_t smallest = least(1);
    EXPECT_TRUE(make(m, options(smallest, 1)).ok()) << ql_error_message();
    const Status refused = make(m, options(smallest - 1, 1));
    EXPECT_EQ(refused.code(), QL_NO_MEMORY);
    EXPECT_NE(refused.message().find(std::to_string(smallest)), std::string::npos) << refused.message();
    EXPECT_EQ(make(m, options(1, kLanes)).code(), QL_NO_MEMORY);
    EXPECT_TRUE(make(m, options(uint64_t{1} << 60, kLanes)).ok());
}

TEST_F(Pages, AFileThatIsCutIsAnErrorThatNamesIt) {
    Made m;
    ASSERT_TRUE(make(m, options(least(1), 1)).ok());
    ASSERT_EQ(0, ::truncate(path_.c_str(), static_cast<off_t>(kWeightBytes * 3 / 2)));
    EXPECT_EQ(QL_IO, ql_plan_run(m.plan.get()));
    EXPECT_NE(std::string(ql_error_message()).find(path_), std::string::npos) << ql_error_message();
    EXPECT_EQ(QL_IO, ql_plan_run(m.plan.get())) << "and stays one";
}

TEST_F(Pages, AFileThatIsReplacedIsStillRead) {
    Made plain, m;
    ASSERT_TRUE(make(plain, options(0, 1)).ok());
    const std::vector<float> expected = run(plain);
    ASSERT_TRUE(make(m, options(least(1), 1)).ok());
    std::filesystem::remove(path_);
    folder_.write("weights", "another file");
    EXPECT_EQ(run(m), expected);
}

TEST_F(Pages, LanesThatAreNotThereAreRefused) {
    Made m;
    ASSERT_TRUE(make(m, options(0, 2)).ok());
    EXPECT_EQ(QL_INVALID_ARGUMENT, ql_plan_run_lanes(m.plan.get(), 3));
    EXPECT_EQ(QL_INVALID_ARGUMENT, ql_plan_run_lanes(m.plan.get(), 0));
    float value = 0;
    EXPECT_EQ(QL_INVALID_ARGUMENT, ql_plan_write_lane(m.plan.get(), 2, m.x, &value, 0, 4));
    EXPECT_EQ(QL_INVALID_ARGUMENT, ql_plan_write_lane(m.plan.get(), 0, m.loss, &value, 0, 4)) << "no input";
    EXPECT_EQ(QL_INVALID_ARGUMENT, ql_plan_write_lane(m.plan.get(), 1, m.x, &value, kWidth * kTokens * 4, 4));
    EXPECT_EQ(QL_INVALID_ARGUMENT, ql_plan_read_lane(m.plan.get(), -1, m.loss, &value, 0, 4));
}

}  // namespace
}  // namespace ql::test
