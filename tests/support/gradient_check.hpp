// Analytic gradients against central differences, both in f64 and both from the reference kernels.
#pragma once
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "ggml/grad/grad.hpp"
#include "support/reference_run.hpp"

namespace ql::test {

/// The elements of a tensor to differentiate by: all of them, or an evenly spread choice where there are many.
inline std::vector<int64_t> chosen_elements(int64_t n, int64_t most) {
    std::vector<int64_t> chosen(static_cast<size_t>(std::min(n, most)));
    for (size_t i = 0; i < chosen.size(); ++i)
        chosen[i] = n <= most ? static_cast<int64_t>(i) : (static_cast<int64_t>(i) * n + n / 3) / most % n;
    return chosen;
}

/// The loss's derivative with respect to one element of a leaf; runs the forward nodes twice.
inline double central_difference(ReferenceRun<double> & run, int64_t n_forward, const Tensor * loss, double & x) {
    const double value = x, h = 1e-5 * std::max(1.0, std::abs(value));
    x = value + h;
    run.run(0, n_forward);
    const double above = run.reals(loss)[0];
    x = value - h;
    run.run(0, n_forward);
    const double below = run.reals(loss)[0];
    x = value;
    return (above - below) / (2 * h);
}

/// |difference| / |gradient| over the chosen elements; gradients that are nothing but rounding count as equal.
inline double relative_error(const std::vector<double> & analytic, const std::vector<double> & numeric) {
    double difference = 0, norm = 0;
    for (size_t i = 0; i < analytic.size(); ++i) {
        difference += (analytic[i] - numeric[i]) * (analytic[i] - numeric[i]);
        norm += analytic[i] * analytic[i];
    }
    difference = std::sqrt(difference), norm = std::sqrt(norm);
    return difference < 1e-9 ? 0 : difference / norm;
}

/// Checks d loss / d params; `run` holds the leaves' values, and the graph has no node after the loss.
inline void check_gradients(Graph & graph, ReferenceRun<double> & run, Tensor * loss,
                            const std::vector<Tensor *> & params, int64_t most_elements) {
    const auto n_forward = static_cast<int64_t>(graph.nodes().size());
    GradBuilder builder(graph, op::add, QL_RECOMPUTE_NONE);
    const Status status = builder.run(loss, params);
    ASSERT_TRUE(status.ok()) << status.message();
    run.run();
    for (Tensor * p : params) {
        Tensor * gradient = builder.gradient(p);
        ASSERT_EQ(gradient->shape, p->shape) << describe(*p);
        const std::vector<double> all = run.values(gradient);
        std::vector<double> analytic, numeric;
        for (const int64_t i : chosen_elements(p->shape.elements(), most_elements)) {
            analytic.push_back(all[static_cast<size_t>(i)]);
            numeric.push_back(central_difference(run, n_forward, loss, run.reals(p)[i]));
        }
        EXPECT_LE(relative_error(analytic, numeric), 1e-6) << describe(*p);
    }
}

}  // namespace ql::test
