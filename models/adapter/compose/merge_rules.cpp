#include "models/adapter/compose/merge_rules.hpp"

#include <algorithm>
#include <cmath>
#include <functional>

#include "models/base/named_random.hpp"

namespace ql {
namespace {

constexpr uint32_t kDropStream = 0x44524f50;

/// Keeps the largest magnitudes, of equal ones the first.
void keep_largest(std::vector<double> & values, double density) {
    const auto kept = static_cast<size_t>(density * static_cast<double>(values.size()));
    if (kept >= values.size()) return;
    if (kept == 0) return std::fill(values.begin(), values.end(), 0.0);
    std::vector<double> sizes(values.size());
    std::transform(values.begin(), values.end(), sizes.begin(), [](double x) { return std::fabs(x); });
    const auto last = sizes.begin() + static_cast<std::ptrdiff_t>(kept - 1);
    std::nth_element(sizes.begin(), last, sizes.end(), std::greater<>());
    const double smallest = *last;
    int64_t equal = 1 + std::count(sizes.begin(), last, smallest);  // of those that are kept
    for (double & x : values) {
        const double size = std::fabs(x);
        if (size < smallest || (size == smallest && equal-- <= 0)) x = 0;
    }
}

void keep_largest(MergeInput & input) {
    for (std::vector<double> & values : input.values) keep_largest(values, input.density);
}

void drop_at_random(MergeInput & input) {
    for (size_t i = 0; i < input.values.size(); ++i) {
        NamedRandom unit(input.seed, kDropStream, input.name + "#" + std::to_string(i));
        for (size_t e = 0; e < input.values[i].size(); ++e) {
            double & x = input.values[i][e];
            x = unit(e) < input.density ? x / input.density : 0;
        }
    }
}

/// The mean of the w_i x_i whose x_i has the sign of the sum of all x_i.
std::vector<double> mean_of_elected(const MergeInput & input) {
    std::vector<double> merged(input.values[0].size());
    for (size_t e = 0; e < merged.size(); ++e) {
        double all = 0, sum = 0;
        for (const std::vector<double> & values : input.values) all += values[e];
        int64_t agree = 0;
        for (size_t i = 0; i < input.values.size(); ++i) {
            const double x = input.values[i][e];
            if (x == 0 || (x > 0) != (all >= 0)) continue;
            sum += input.weights[i] * x;
            ++agree;
        }
        merged[e] = agree ? sum / static_cast<double>(agree) : 0;
    }
    return merged;
}

}  // namespace

std::vector<double> task_arithmetic(MergeInput input) {
    std::vector<double> merged(input.values[0].size());
    for (size_t i = 0; i < input.values.size(); ++i)
        for (size_t e = 0; e < merged.size(); ++e) merged[e] += input.weights[i] * input.values[i][e];
    return merged;
}

std::vector<double> magnitude_prune(MergeInput input) {
    keep_largest(input);
    return task_arithmetic(std::move(input));
}

std::vector<double> ties(MergeInput input) {
    keep_largest(input);
    return mean_of_elected(input);
}

std::vector<double> dare_linear(MergeInput input) {
    drop_at_random(input);
    return task_arithmetic(std::move(input));
}

std::vector<double> dare_ties(MergeInput input) {
    drop_at_random(input);
    return mean_of_elected(input);
}

}  // namespace ql
