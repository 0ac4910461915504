// Rewriting a model through the C API: what the callback sees, and that it can stop without a trace.
#include <gtest/gtest.h>

#include "ql/gguf.h"
#include "ql/quantize.h"
#include "support/temporary_folder.hpp"
#include "support/tiny_model.hpp"

namespace ql::test {
namespace {

using Names = std::vector<std::string>;

/// Counts the tensors, and stops at one of them.
struct Watcher {
    int64_t stop_at = -1, n_seen = 0, n = 0;
    static int on_tensor(void * user, const ql_quantized_tensor * t) {
        auto & self = *static_cast<Watcher *>(user);
        EXPECT_EQ(t->index, self.n_seen);
        self.n = t->n;
        return self.n_seen++ == self.stop_at ? 1 : 0;
    }
    ql_status run(const std::string & in, const std::string & out) {
        ql_quantize_options options;
        ql_quantize_options_init(&options);
        options.on_tensor = on_tensor;
        options.user = this;
        return ql_quantize(in.c_str(), out.c_str(), &options);
    }
};

TEST(Quantize, ReportsEveryTensorInOrder) {
    TemporaryFolder folder;
    const std::string in = write_tiny_model(folder.path("in.gguf"));
    Watcher watcher;
    ASSERT_EQ(watcher.run(in, folder.path("out.gguf")), QL_OK) << ql_error_message();
    ql_gguf * file = nullptr;
    ASSERT_EQ(ql_gguf_open(folder.path("out.gguf").c_str(), &file), QL_OK) << ql_error_message();
    EXPECT_EQ(watcher.n_seen, ql_gguf_n_tensors(file));
    EXPECT_EQ(watcher.n, watcher.n_seen);
    ql_gguf_close(file);
}

TEST(Quantize, CancelledLeavesNoFile) {
    TemporaryFolder folder;
    const std::string in = write_tiny_model(folder.path("in.gguf")), out = folder.path("out.gguf");
    for (const int64_t stop_at : {0, 3, 19}) {
        Watcher watcher;
        watcher.stop_at = stop_at;
        EXPECT_EQ(watcher.run(in, out), QL_CANCELLED);
        EXPECT_EQ(watcher.n_seen, stop_at + 1);
        EXPECT_EQ(ql_error_message(),
                  in + ": stopped after " + std::to_string(stop_at + 1) + " of 20 tensors; nothing was written");
        EXPECT_EQ(folder.names(), Names{"in.gguf"});
    }
}

TEST(Quantize, CancelledKeepsAnOlderFile) {
    TemporaryFolder folder;
    const std::string in = write_tiny_model(folder.path("in.gguf")), out = folder.write("out.gguf", "old");
    Watcher watcher;
    watcher.stop_at = 7;
    EXPECT_EQ(watcher.run(in, out), QL_CANCELLED);
    EXPECT_EQ(read_all(out), "old");
    EXPECT_EQ(folder.names().size(), 2u);
}

}  // namespace
}  // namespace ql::test
