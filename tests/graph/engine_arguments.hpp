// Tables of wrong calls of the engine's C API, and the objects that they are made with.
#pragma once
#include "ql/ql.h"
#include "support/c_arguments.hpp"
#include "support/temporary_folder.hpp"

namespace ql::test {

class EngineArguments : public testing::Test {
  protected:
    EngineArguments() {
        ql_device_options options;
        ql_device_options_init(&options);
        options.threads = 1;
        EXPECT_EQ(ql_device_open(&options, &device_), QL_OK);
        EXPECT_EQ(ql_graph_create(&graph_), QL_OK);
        x_ = ql_input(graph_, "x", QL_F32, 2, kShape);
        y_ = ql_add(graph_, x_, x_);
        EXPECT_EQ(ql_plan_create(graph_, device_, &y_, 1, &plan_), QL_OK);
        EXPECT_EQ(ql_gguf_writer_create(&writer_), QL_OK);
        EXPECT_EQ(ql_gguf_set_int(writer_, "n", QL_GGUF_U8, 3), QL_OK);
        EXPECT_EQ(ql_gguf_write(writer_, folder_.path("f.gguf").c_str()), QL_OK);
        EXPECT_EQ(ql_gguf_open(folder_.path("f.gguf").c_str(), &file_), QL_OK);
        folder_.write("taken", "text");
    }
    ~EngineArguments() override {
        ql_gguf_close(file_);
        ql_gguf_writer_free(writer_);
        ql_plan_free(plan_);
        ql_graph_free(graph_);
        ql_device_close(device_);
    }

    /// The status of a graph on which a builder was called; the graph is new, with a leaf of f32 and one of i32.
    template <typename Build>
    static std::function<ql_status()> building(Build build) {
        return [build] {
            ql_graph * g = nullptr;
            EXPECT_EQ(ql_graph_create(&g), QL_OK);
            ql_tensor *x = ql_input(g, "x", QL_F32, 2, kShape), *ids = ql_input(g, "ids", QL_I32, 1, kShape);
            const ql_tensor * made = build(g, x, ids);
            const ql_status status = ql_graph_status(g);
            EXPECT_EQ(made == nullptr, status != QL_OK);
            ql_graph_free(g);
            return status;
        };
    }

    template <typename T>
    static T sized(size_t size) {
        T t{};
        t.size = size;
        return t;
    }

    std::vector<BadCall> device_calls();
    std::vector<BadCall> graph_calls();
    std::vector<BadCall> builder_calls();
    std::vector<BadCall> dtype_calls();
    std::vector<BadCall> gguf_calls();
    std::vector<BadCall> os_calls();
    std::vector<BadCall> all_calls() {
        std::vector<BadCall> all;
        for (const auto & part :
             {device_calls(), graph_calls(), builder_calls(), dtype_calls(), gguf_calls(), os_calls()})
            all.insert(all.end(), part.begin(), part.end());
        return all;
    }
    std::vector<NullCall> null_calls();

    static constexpr int64_t kShape[] = {4, 2};
    TemporaryFolder folder_;
    ql_device * device_ = nullptr;
    ql_graph * graph_ = nullptr;
    ql_tensor *x_ = nullptr, *y_ = nullptr;
    ql_plan * plan_ = nullptr;
    ql_gguf_writer * writer_ = nullptr;
    ql_gguf * file_ = nullptr;
    ql_gguf_tensor tensor_{};
    int64_t n_ = 0;
};

}  // namespace ql::test
