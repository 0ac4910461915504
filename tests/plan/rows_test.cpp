// Tables of which a plan within a budget reads no more than the rows that its inputs name.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <optional>
#include <vector>

#include "ggml/core/os/os.hpp"
#include "ql/ql.hpp"
#include "support/temporary_folder.hpp"

namespace ql::test {
namespace {

constexpr int64_t kWidth = 96, kRows = 4000, kIds = 7;

/// Rows of a table in a file, times 2.
class Rows : public testing::TestWithParam<ql_dtype> {
  protected:
    Rows() {
        std::vector<float> values(kWidth * kRows);
        for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i * 2654435761u % 1000) / 100 - 5;
        std::vector<char> packed(ql_dtype_bytes(GetParam(), kWidth * kRows));
        EXPECT_EQ(QL_OK, ql_encode(GetParam(), values.data(), kWidth * kRows, packed.data()));
        auto file = os::MappedFile::open(folder_.write("table", {packed.data(), packed.size()}));
        EXPECT_TRUE(file.ok()) << file.message();
        file_.emplace(std::move(file).value());
        EXPECT_EQ(QL_OK, ql_device_open(nullptr, out(device_)));
    }

    struct Made {
        GraphPtr graph;
        PlanPtr plan;
        ql_tensor *ids, *y;
    };
    void build(Made & m) const {
        ASSERT_EQ(QL_OK, ql_graph_create(out(m.graph)));
        ql_graph * g = m.graph.get();
        const int64_t ne[] = {kWidth, kRows}, n = kIds;
        m.ids = ql_input(g, "ids", QL_I32, 1, &n);
        m.y = ql_scale(g, ql_get_rows(g, ql_weight(g, "table", GetParam(), 2, ne, file_->data()), m.ids), 2, 0);
    }
    void make(Made & m, bool limited) const {
        build(m);
        ql_plan_options o{};
        o.size = sizeof(o);
        ql_device * device = device_.get();
        if (limited) {
            o.memory = 1;
            ASSERT_EQ(QL_OK, ql_plan_least_memory(m.graph.get(), &device, 1, &m.y, 1, &o, &o.memory));
        }
        auto plan = make_plan(m.graph, device, {&m.y, 1}, o);
        ASSERT_TRUE(plan.ok()) << plan.message();
        m.plan = std::move(plan).value();
    }
    static ql_plan_info describe(const Made & m) {
        ql_plan_info info{sizeof(info)};
        EXPECT_EQ(QL_OK, ql_plan_describe(m.plan.get(), &info));
        return info;
    }
    static std::vector<float> read(const Made & m) {
        std::vector<float> y(kWidth * kIds);
        EXPECT_TRUE(read_output(m.plan, m.y, y).ok());
        return y;
    }
    static bool same_bits(const std::vector<float> & a, const std::vector<float> & b) {
        return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
    }

    TemporaryFolder folder_;
    std::optional<os::MappedFile> file_;
    DevicePtr device_;
};

TEST_P(Rows, AreReadWhereTheyAreNamed) {
    Made whole, rows;
    ASSERT_NO_FATAL_FAILURE(make(whole, false));
    ASSERT_NO_FATAL_FAILURE(make(rows, true));
    const size_t row = ql_dtype_bytes(GetParam(), kWidth);
    ASSERT_EQ(describe(rows).read_bytes, kIds * row);
    EXPECT_EQ(describe(rows).weight_bytes, 0u);
    EXPECT_LT(describe(rows).peak_bytes, describe(whole).peak_bytes / 2);
    uint64_t n_read = 0;
    const auto check = [&](const std::vector<int32_t> & ids, uint64_t n_distinct) {
        for (Made * m : {&whole, &rows}) {
            ASSERT_EQ(QL_OK, write_tensor(m->ids, ids).code());
            ASSERT_EQ(QL_OK, ql_plan_run(m->plan.get())) << ql_error_message();
        }
        EXPECT_TRUE(same_bits(read(rows), read(whole)));
        EXPECT_EQ(describe(rows).bytes_read, n_read += n_distinct * row) << "each row once";
    };
    check({3999, 0, 17, 17, 250, 3, 0}, 5);
    check({1, 2, 3, 4, 5, 6, 7}, 7);
    check({-1, 4000, 5, 6, INT32_MIN, INT32_MAX, 5}, 2);
    EXPECT_TRUE(std::isnan(read(rows)[0])) << "an id outside the table";
    check({0, 0, 0, 0, 0, 0, 0}, 1);
}

/// Plans run in turn, and what one has read is gone when the next one begins.
TEST_P(Rows, OfSeveralPlansAreInMemoryOnce) {
    Made one, two;
    ASSERT_NO_FATAL_FAILURE(make(one, true));
    ASSERT_NO_FATAL_FAILURE(make(two, true));
    const ql_plan * const plans[] = {one.plan.get(), two.plan.get()};
    ql_memory_info alone{sizeof(alone)}, both{sizeof(both)};
    ASSERT_EQ(QL_OK, ql_plans_memory(plans, 1, nullptr, &alone));
    ASSERT_EQ(QL_OK, ql_plans_memory(plans, 2, nullptr, &both));
    EXPECT_EQ(kIds * 2 * os::kPageBytes, alone.pages) << "each row on two pages";
    EXPECT_EQ(alone.pages, both.pages);
    EXPECT_EQ(both.total, 2 * alone.total - alone.pages);
    EXPECT_EQ(alone.total, describe(one).peak_bytes);
}

TEST_P(Rows, OfAFileThatIsCutAreAnErrorThatNamesIt) {
    Made m;
    ASSERT_NO_FATAL_FAILURE(make(m, true));
    std::filesystem::resize_file(folder_.path("table"), 300 * ql_dtype_bytes(GetParam(), kWidth));
    ASSERT_TRUE(write_tensor(m.ids, std::vector<int32_t>{1, 2, 3, 4, 5, 6, 299}).ok());
    EXPECT_EQ(QL_OK, ql_plan_run(m.plan.get())) << ql_error_message();
    ASSERT_TRUE(write_tensor(m.ids, std::vector<int32_t>{1, 2, 3, 4, 5, 6, 300}).ok());
    EXPECT_EQ(QL_IO, ql_plan_run(m.plan.get()));
    EXPECT_NE(std::string(ql_error_message()).find(folder_.path("table")), std::string::npos) << ql_error_message();
}

INSTANTIATE_TEST_SUITE_P(Types, Rows, ::testing::Values(QL_F32, QL_Q8_0, QL_BF16),
                         [](const auto & type) { return std::string(ql_dtype_name(type.param)); });

}  // namespace
}  // namespace ql::test
