// A model written in several files: they are the model, whole or not at all, and can be read like one.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "ql/gguf.h"
#include "ql/model.h"
#include "ql/quantize.h"
#include "support/temporary_folder.hpp"
#include "support/tiny_model.hpp"

namespace ql::test {
namespace {

constexpr uint64_t kMost = 20000;  // of a tiny model's 50 kB in q8_0

class OutputParts : public ::testing::Test {
  protected:
    OutputParts() {
        TinyModelOptions tiny;
        tiny.more = [](ql_gguf_writer * w) {
            EXPECT_EQ(ql_gguf_set_int(w, "somebodys.own.key", QL_GGUF_I64, -7), QL_OK);
        };
        write_tiny_model(folder_.path("in.gguf"), tiny);
    }
    ql_status quantize(const char * in, const char * out, uint64_t split_bytes, int64_t stop_at = -1) {
        ql_quantize_options o;
        ql_quantize_options_init(&o);
        o.type = QL_Q8_0;
        o.split_bytes = split_bytes;
        o.user = &stop_at;
        o.on_tensor = [](void * stop, const ql_quantized_tensor * t) {
            return t->index == *static_cast<int64_t *>(stop) ? 1 : 0;
        };
        return ql_quantize(folder_.path(in).c_str(), folder_.path(out).c_str(), &o);
    }
    std::vector<std::string> parts() const {
        std::vector<std::string> found;
        for (const std::string & name : folder_.names())
            if (name.starts_with("out-")) found.push_back(name);
        std::sort(found.begin(), found.end());
        return found;
    }
    std::set<std::string> names() const {
        const auto list = folder_.names();
        return {list.begin(), list.end()};
    }

    TemporaryFolder folder_;
};

TEST_F(OutputParts, PartsTogetherAreTheModelAndEachKeepsItsLimit) {
    ASSERT_EQ(quantize("in.gguf", "whole.gguf", 0), QL_OK) << ql_error_message();
    ASSERT_EQ(quantize("in.gguf", "out.gguf", kMost), QL_OK) << ql_error_message();
    const auto files = parts();
    ASSERT_GE(files.size(), 3u);
    const std::string last = std::to_string(files.size());
    EXPECT_EQ(files.front(), "out-00001-of-0000" + last + ".gguf");
    EXPECT_EQ(files.back(), "out-0000" + last + "-of-0000" + last + ".gguf");
    for (const std::string & name : files)
        EXPECT_LT(read_all(folder_.path(name)).size(), kMost + 20000) << "the first has the vocabulary, too";

    ASSERT_EQ(quantize(files.front().c_str(), "again.gguf", 0), QL_OK) << ql_error_message();
    ASSERT_EQ(quantize("whole.gguf", "copy.gguf", 0), QL_OK) << ql_error_message();
    EXPECT_TRUE(read_all(folder_.path("again.gguf")) == read_all(folder_.path("copy.gguf")));
    ql_gguf * file = nullptr;
    ASSERT_EQ(ql_gguf_open(folder_.path(files.front()).c_str(), &file), QL_OK) << ql_error_message();
    int64_t value = 0;
    EXPECT_EQ(ql_gguf_get_int(file, "somebodys.own.key", &value), QL_OK);
    EXPECT_EQ(value, -7);
    ql_gguf_close(file);
}

TEST_F(OutputParts, ATensorThatIsLargerThanAPartIsOneAlone) {
    ASSERT_EQ(quantize("in.gguf", "out.gguf", 1), QL_OK) << ql_error_message();
    ql_gguf * file = nullptr;
    ASSERT_EQ(ql_gguf_open(folder_.path(parts().front()).c_str(), &file), QL_OK) << ql_error_message();
    EXPECT_EQ(static_cast<int64_t>(parts().size()), ql_gguf_n_tensors(file));
    ql_gguf_close(file);
}

TEST_F(OutputParts, StoppedItLeavesNothingAndKeepsWhatWasThere) {
    EXPECT_EQ(quantize("in.gguf", "out.gguf", kMost, 15), QL_CANCELLED);
    EXPECT_EQ(names(), std::set<std::string>{"in.gguf"});
    ASSERT_EQ(quantize("in.gguf", "out.gguf", kMost), QL_OK) << ql_error_message();
    const auto before = read_all(folder_.path(parts().front()));
    const auto all = names();
    EXPECT_EQ(quantize("in.gguf", "out.gguf", kMost, 15), QL_CANCELLED);
    EXPECT_EQ(names(), all);
    EXPECT_TRUE(read_all(folder_.path(parts().front())) == before);
}

/// Parts of which some are new and some are an older model's would be no model.
TEST_F(OutputParts, WhereOneCannotBeWrittenNoneIs) {
    ASSERT_EQ(quantize("in.gguf", "out.gguf", kMost), QL_OK) << ql_error_message();
    const std::string last = parts().back(), path = folder_.path(last);
    for (const std::string & part : parts()) std::filesystem::remove(folder_.path(part));
    std::filesystem::create_directory(path);
    EXPECT_NE(quantize("in.gguf", "out.gguf", kMost, 0), QL_OK);
    EXPECT_NE(std::string(ql_error_message()).find(last + ": is a directory"), std::string::npos)
        << "before the first tensor: " << ql_error_message();
    EXPECT_NE(quantize("in.gguf", "out.gguf", kMost), QL_OK);
    EXPECT_EQ(names(), (std::set<std::string>{"in.gguf", last}));
}

TEST_F(OutputParts, NeverOverItsOwnInput) {
    ASSERT_EQ(quantize("in.gguf", "out.gguf", kMost), QL_OK) << ql_error_message();
    EXPECT_EQ(quantize(parts().front().c_str(), "out.gguf", kMost), QL_INVALID_ARGUMENT);
    EXPECT_NE(std::string(ql_error_message()).find("of the input"), std::string::npos) << ql_error_message();
}

}  // namespace
}  // namespace ql::test
