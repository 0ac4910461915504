// What the tests against the figures of reference programs share.
#pragma once
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "models/adapter/adapter.hpp"
#include "models/graph/spans.hpp"
#include "models/load/open_model.hpp"
#include "models/model/architecture.hpp"
#include "ql/ql.hpp"
#include "support/safetensors.hpp"
#include "support/shared.hpp"

namespace ql::test {

inline ql_device * open_cpu(ql_compute compute, int threads = 2) {
    ql_device_options o;
    ql_device_options_init(&o);
    o.compute = compute;
    o.threads = threads;
    ql_device * device = nullptr;
    if (ql_device_open(&o, &device) != QL_OK) ADD_FAILURE() << ql_error_message();
    return device;
}

/// Forty tokens that every golden model has.
inline std::vector<int32_t> some_tokens() {
    std::vector<int32_t> ids;
    for (int32_t i = 0; i < 40; ++i) ids.push_back(3 + (i * 37 + 5) % 90);
    return ids;
}

/// |a - b|^2 / |b|^2
inline double nmse(const std::vector<float> & a, const std::vector<float> & b) {
    double error = 0, norm = 0;
    for (size_t i = 0; i < b.size(); ++i) {
        const double d = static_cast<double>(a[i]) - static_cast<double>(b[i]);
        error += d * d;
        norm += static_cast<double>(b[i]) * static_cast<double>(b[i]);
    }
    return a.size() == b.size() ? error / norm : INFINITY;
}

/// Rows of q and k in Hugging Face's order -> the order of GGUF files: per head, row h * (d / 2) + j becomes 2 j + h.
inline std::vector<float> to_gguf_rows(const std::vector<float> & x, int64_t n_head, int64_t head_dim, int64_t width) {
    std::vector<float> y(x.size());
    for (int64_t head = 0; head < n_head; ++head)
        for (int64_t h = 0; h < 2; ++h)
            for (int64_t j = 0; j < head_dim / 2; ++j)
                for (int64_t c = 0; c < width; ++c)
                    y[static_cast<size_t>((head * head_dim + 2 * j + h) * width + c)] =
                        x[static_cast<size_t>((head * head_dim + h * (head_dim / 2) + j) * width + c)];
    return y;
}

inline std::unique_ptr<Model> open_golden_model(const char * name, int64_t base_type = QL_BASE_KEEP) {
    const ql_model_options options{sizeof(ql_model_options), base_type, QL_BASE_KEEP};
    auto model = open_model(golden_path(std::string("arch/") + name), options);
    if (!model.ok()) ADD_FAILURE() << model.message();
    return model.ok() ? std::move(model).value() : nullptr;
}

/// The logits of all tokens, computed without a cache.
inline std::vector<float> logits_of(const Model & model, ql_device * device, const std::vector<int32_t> & ids) {
    const auto n = static_cast<int64_t>(ids.size());
    ql_graph * g = nullptr;
    EXPECT_EQ(ql_graph_create(&g), QL_OK);
    const GraphPtr graph(g);
    GraphBuilder b(model, g);
    const StreamInputs & in = b.start_stream(n);
    ql_tensor * logits = b.logits(b.hidden());
    ql_plan * p = nullptr;
    EXPECT_EQ(ql_plan_create(g, device, &logits, 1, &p), QL_OK) << ql_error_message();
    if (!p) return {};
    const PlanPtr plan(p);
    std::vector<int32_t> positions, span;
    for (int32_t i = 0; i < n; ++i) positions.push_back(i), span.insert(span.end(), {0, i + 1});
    EXPECT_EQ(ql_tensor_write(in.tokens, ids.data(), 0, ids.size() * 4), QL_OK);
    EXPECT_EQ(ql_tensor_write(in.positions, positions.data(), 0, positions.size() * 4), QL_OK);
    EXPECT_TRUE(write_spans(in, span).ok());
    EXPECT_EQ(ql_plan_run(p), QL_OK);
    std::vector<float> values(static_cast<size_t>(ql_tensor_elements(logits)));
    EXPECT_EQ(ql_plan_read(p, logits, values.data(), 0, values.size() * 4), QL_OK) << ql_error_message();
    return values;
}

}  // namespace ql::test
