// ql/ql.hpp: what it owns, how it reports a failure, how it converts elements.
#include <gtest/gtest.h>

#include <array>

#include "ql/ql.hpp"
#include "support/temporary_folder.hpp"

namespace ql::test {
namespace {

static_assert(!std::is_constructible_v<Result<int64_t>, ql_status>, "a code would pass for a value");
static_assert(Elements<std::vector<float>> && Elements<std::span<const int32_t>> && Elements<float[4]>);
static_assert(!Elements<std::vector<std::string>> && !Elements<std::vector<bool>>);

Status open_absent() {
    GgufPtr file;
    QL_TRY(ql_gguf_open("/absent.gguf", out(file)));
    return {};
}

TEST(CppFace, AFailedCallLeavesWithItsCodeAndItsOwnMessage) {
    const Status status = open_absent();
    EXPECT_EQ(ql_set_error(QL_IO, "a later failure"), QL_IO);
    EXPECT_EQ(status.code(), QL_NOT_FOUND);
    EXPECT_EQ(status.message(), "/absent.gguf: cannot open: No such file or directory");
}

TEST(CppFace, ASuccessHasNoMessageWhateverFailedBefore) {
    EXPECT_EQ(ql_set_error(QL_IO, "an earlier failure"), QL_IO);
    const Status status = QL_OK;
    EXPECT_TRUE(status.ok());
    EXPECT_EQ(status.message(), "");
}

struct Counted {
    int * freed;
};
void free_counted(Counted * c) {
    ++*c->freed;
}
ql_status make_counted(Counted * made, ql_status status, Counted ** to) {
    if (status == QL_OK) *to = made;
    return status;
}

TEST(CppFace, AHandleFreesWhatItHeldWhenACallMakesAnother) {
    int freed_first = 0, freed_second = 0;
    Counted first{&freed_first}, second{&freed_second};
    {
        Handle<Counted, free_counted> handle;
        EXPECT_EQ(make_counted(&first, QL_OK, out(handle)), QL_OK);
        EXPECT_EQ(handle.get(), &first);
        EXPECT_EQ(make_counted(&second, QL_OK, out(handle)), QL_OK);
        EXPECT_EQ(handle.get(), &second);
        EXPECT_EQ(freed_first, 1);
        EXPECT_EQ(freed_second, 0);
        EXPECT_EQ(make_counted(nullptr, QL_IO, out(handle)), QL_IO);
        EXPECT_FALSE(handle) << "what a failed call was to replace";
    }
    EXPECT_EQ(freed_first, 1);
    EXPECT_EQ(freed_second, 1);
}

class CppFaceRun : public testing::Test {
  protected:
    CppFaceRun() {
        auto options = defaults<ql_device_options>();
        options.threads = 1;
        EXPECT_EQ(ql_device_open(&options, out(device_)), QL_OK) << ql_error_message();
        EXPECT_EQ(ql_graph_create(out(graph_)), QL_OK) << ql_error_message();
    }
    ql_tensor * input(int64_t n) const { return ql_input(graph_.get(), "x", QL_F32, 1, &n); }

    DevicePtr device_;
    GraphPtr graph_;
};

TEST_F(CppFaceRun, ElementsGoInAndComeOutAtTheirPlaces) {
    ql_tensor * x = input(4);
    ql_tensor * y = ql_add(graph_.get(), x, x);
    const Result<PlanPtr> plan = make_plan(graph_, device_, {&y, 1});
    ASSERT_TRUE(plan.ok()) << plan.message();
    const float all[] = {1, 2, 3, 4};
    EXPECT_TRUE(write_tensor(x, all).ok());
    EXPECT_TRUE(write_tensor(x, std::array{30.0f}, 2).ok());
    ASSERT_EQ(ql_plan_run(plan->get()), QL_OK) << ql_error_message();
    std::vector<float> result(4), end(2);
    EXPECT_TRUE(read_output(*plan, y, result).ok());
    EXPECT_EQ(result, (std::vector<float>{2, 4, 60, 8}));
    EXPECT_TRUE(read_output(*plan, y, end, 2).ok());
    EXPECT_EQ(end, (std::vector<float>{60, 8}));
    EXPECT_TRUE(read_tensor(x, std::span(end), 1).ok());
    EXPECT_EQ(end, (std::vector<float>{2, 30}));
}

TEST_F(CppFaceRun, MoreElementsThanTheTensorHasAreRefused) {
    ql_tensor * x = input(4);
    ql_tensor * y = ql_add(graph_.get(), x, x);
    const Result<PlanPtr> plan = make_plan(graph_, device_, {&y, 1});
    ASSERT_TRUE(plan.ok()) << plan.message();
    std::vector<float> five(5), two(2);
    EXPECT_EQ(write_tensor(x, five).code(), QL_INVALID_ARGUMENT);
    EXPECT_EQ(write_tensor(x, two, 3).code(), QL_INVALID_ARGUMENT);
    EXPECT_EQ(read_tensor(x, two, 3).code(), QL_INVALID_ARGUMENT);
    EXPECT_EQ(read_output(*plan, y, five).code(), QL_INVALID_ARGUMENT);
}

TEST_F(CppFaceRun, APlanTellsTheGraphsFirstError) {
    ql_tensor * y = ql_add(graph_.get(), input(4), input(3));
    const Result<PlanPtr> plan = make_plan(graph_, device_, {&y, 1});
    EXPECT_EQ(plan.code(), QL_BAD_SHAPE);
    EXPECT_NE(plan.message().find("add"), std::string::npos) << plan.message();
}

TEST_F(CppFaceRun, APlanOverAnotherHasItsResultsThere) {
    ql_tensor * y = ql_sum_rows(graph_.get(), ql_softmax(graph_.get(), input(1024)));
    const Result<PlanPtr> alone = make_plan(graph_, device_, {&y, 1});
    ASSERT_TRUE(alone.ok()) << alone.message();
    const Result<PlanPtr> over = make_plan(graph_, device_, {&y, 1}, *alone);
    ASSERT_TRUE(over.ok()) << over.message();
    const auto memory = [&](std::initializer_list<const ql_plan *> plans) {
        auto info = sized<ql_memory_info>();
        EXPECT_EQ(ql_plans_memory(plans.begin(), static_cast<int>(plans.size()), nullptr, &info), QL_OK);
        return info.results;
    };
    EXPECT_LT(memory({alone->get(), over->get()}), 2 * memory({alone->get()}));
}

TEST(CppFace, DefaultsAreThoseOfTheInitFunction) {
    ql_device_options wanted;
    ql_device_options_init(&wanted);
    const auto options = defaults<ql_device_options>();
    EXPECT_EQ(options.size, sizeof(ql_device_options));
    EXPECT_STREQ(options.name, wanted.name);
    EXPECT_EQ(options.threads, wanted.threads);
    EXPECT_EQ(sized<ql_device_info>().size, sizeof(ql_device_info));
}

TEST(CppFace, FilesAreWrittenAndReadWhole) {
    const TemporaryFolder folder;
    const std::string bytes("a\0b", 3);
    ASSERT_TRUE(write_file(folder.path("f"), bytes).ok());
    const Result<FileBytes> read = read_file(folder.path("f"), 3);
    ASSERT_TRUE(read.ok()) << read.message();
    EXPECT_EQ(read->view(), bytes);
    EXPECT_EQ(read_file(folder.path("f"), 2).code(), QL_BAD_FILE);
    EXPECT_EQ(write_file(folder.path("absent/f"), bytes).code(), QL_NOT_FOUND);
}

TEST(CppFace, StringsOfAFileAreViews) {
    const TemporaryFolder folder;
    GgufWriterPtr writer;
    ASSERT_EQ(ql_gguf_writer_create(out(writer)), QL_OK);
    ASSERT_TRUE(set_string(writer, "k", std::string_view("value and more").substr(0, 5)).ok());
    ASSERT_EQ(ql_gguf_write(writer.get(), folder.path("k.gguf").c_str()), QL_OK) << ql_error_message();
    GgufPtr file;
    ASSERT_EQ(ql_gguf_open(folder.path("k.gguf").c_str(), out(file)), QL_OK) << ql_error_message();
    ql_gguf_string text{};
    ASSERT_EQ(ql_gguf_get_string(file.get(), "k", &text), QL_OK) << ql_error_message();
    EXPECT_EQ(view(text), "value");
}

}  // namespace
}  // namespace ql::test
