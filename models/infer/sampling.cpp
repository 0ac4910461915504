#include "models/infer/sampling.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "common/philox.hpp"

namespace ql {
namespace {

constexpr uint32_t kSampleStream = 0x53414d50;  // keeps these numbers apart from other uses of the seed

struct Candidate {
    int32_t id;
    double logit;  // after penalty and temperature; then its probability
};

bool better(const Candidate & a, const Candidate & b) {
    return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

double uniform(uint64_t seed, int64_t stream, int64_t position) {
    const auto p = static_cast<uint64_t>(position);
    const PhiloxCounter r = philox4x32(
        {static_cast<uint32_t>(p), static_cast<uint32_t>(p >> 32), static_cast<uint32_t>(stream), kSampleStream},
        {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
    return (static_cast<double>(r[0]) + static_cast<double>(r[1]) * 0x1p-32) * 0x1p-32;
}

/// Repeated tokens become less likely: positive logits are divided, negative ones multiplied.   (Keskar et al. 2019)
void penalise(std::vector<Candidate> & all, std::span<const int32_t> recent, double penalty) {
    std::vector<bool> seen(all.size());
    for (const int32_t id : recent) {
        const auto i = static_cast<size_t>(id);
        if (i >= all.size() || seen[i]) continue;
        seen[i] = true;
        all[i].logit = all[i].logit > 0 ? all[i].logit / penalty : all[i].logit * penalty;
    }
}

void softmax(std::vector<Candidate> & sorted) {
    double sum = 0;
    const double top = sorted.front().logit;
    for (Candidate & c : sorted) sum += c.logit = std::exp(c.logit - top);
    for (Candidate & c : sorted) c.logit /= sum;
}

void cut_tail(std::vector<Candidate> & sorted, double top_p, double min_p) {
    size_t keep = 0;
    for (double sum = 0;
         keep < sorted.size() && (keep == 0 || (sum < top_p && sorted[keep].logit >= min_p * sorted[0].logit)); ++keep)
        sum += sorted[keep].logit;
    sorted.resize(keep);
}

}  // namespace

Status check_sampling(const ql_sampling & s) {
    const auto check = [](const char * name, double v, double low, double high) -> Status {
        if (v >= low && v <= high) return {};
        return error(QL_INVALID_ARGUMENT, "%s: %g is out of range, %g to %g are possible", name, v, low, high);
    };
    QL_TRY(check("temp", s.temperature, 0, 100));
    QL_TRY(check("top-k", static_cast<double>(s.top_k), 0, 1 << 24));
    QL_TRY(check("top-p", s.top_p, 0, 1));
    QL_TRY(check("min-p", s.min_p, 0, 1));
    return check("repeat-penalty", s.repeat_penalty, 0.01, 100);
}

double log_sum_exp(std::span<const float> logits) {
    float top = -INFINITY;
    for (const float v : logits) top = std::isnan(v) ? v : std::max(top, v);
    double sum = 0;
    for (const float v : logits) sum += std::exp(static_cast<double>(v) - static_cast<double>(top));
    return static_cast<double>(top) + std::log(sum);
}

std::vector<ql_logprob> top_logprobs(std::span<const float> logits, int n) {
    std::vector<int32_t> ids(logits.size());
    std::iota(ids.begin(), ids.end(), 0);
    const auto keep = std::min(static_cast<size_t>(n), ids.size());
    const auto more = [&](int32_t a, int32_t b) {
        const float x = logits[static_cast<size_t>(a)], y = logits[static_cast<size_t>(b)];
        return x > y || (x == y && a < b);
    };
    std::partial_sort(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(keep), ids.end(), more);
    const double lse = log_sum_exp(logits);
    std::vector<ql_logprob> top;
    for (size_t i = 0; i < keep; ++i)
        top.push_back({ids[i], static_cast<float>(static_cast<double>(logits[static_cast<size_t>(ids[i])]) - lse)});
    return top;
}

int32_t sample(std::span<const float> logits, std::span<const int32_t> recent, const ql_sampling & s, int64_t position,
               int64_t stream) {
    std::vector<Candidate> all(logits.size());
    for (size_t i = 0; i < all.size(); ++i) all[i] = {static_cast<int32_t>(i), static_cast<double>(logits[i])};
    if (s.repeat_penalty != 1.0) penalise(all, recent, s.repeat_penalty);
    if (s.temperature == 0 || s.top_k == 1) return std::min_element(all.begin(), all.end(), better)->id;
    for (Candidate & c : all) c.logit /= s.temperature;
    const size_t k = s.top_k > 0 ? std::min(static_cast<size_t>(s.top_k), all.size()) : all.size();
    std::partial_sort(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(k), all.end(), better);
    all.resize(k);
    softmax(all);
    cut_tail(all, s.top_p, s.min_p);
    double left =
        uniform(s.seed, stream, position) *
        std::accumulate(all.begin(), all.end(), 0.0, [](double x, const Candidate & c) { return x + c.logit; });
    for (const Candidate & c : all)
        if ((left -= c.logit) < 0) return c.id;
    return all.back().id;
}

}  // namespace ql
