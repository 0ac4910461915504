// Values of conformance cases, from Philox: a function of the input, a seed and the element alone.
#include "ggml/ops/cases.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <string>

#include "common/philox.hpp"
#include "ggml/dtypes/dtype.hpp"
#include "ql/optim.h"

namespace ql {
namespace {

/// A stream of random numbers.
class Random {
  public:
    explicit Random(uint64_t seed) : key_{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)} {}
    uint32_t bits() {
        if (at_ % 4 == 0) block_ = philox4x32({static_cast<uint32_t>(at_ / 4), 0, 0, 0}, key_);
        return block_[at_++ % 4];
    }
    /// In (0, 1).
    double uniform() { return (bits() + 0.5) / 4294967296.0; }
    double normal() {
        const double radius = std::sqrt(-2 * std::log(uniform()));
        return radius * std::cos(2 * 3.14159265358979323846 * uniform());
    }
    int32_t below(int64_t limit) { return limit > 0 ? static_cast<int32_t>(bits() % static_cast<uint64_t>(limit)) : 0; }

  private:
    PhiloxKey key_;
    PhiloxCounter block_{};
    uint64_t at_ = 0;
};

void fill_hyper(std::vector<float> & v) {
    const float tenth_step[QL_HYPER_N] = {1e-2f, 0.9f, 0.999f, 1e-8f, 0.1f, 0.6513215599f, 0.0099551198f, 0.75f};
    for (size_t i = 0; i < v.size(); ++i) v[i] = tenth_step[i % QL_HYPER_N];
}

/// Of each token a number in [0.5, 1.5] or 0 for each adapter, again for the next tokens of its run.
void fill_factors(std::vector<float> & v, int64_t n_adapters, int64_t run, Random & random) {
    const size_t n = static_cast<size_t>(n_adapters * std::max<int64_t>(run, 1)),
                 column = static_cast<size_t>(n_adapters);
    for (size_t i = 0; i < v.size(); ++i) {
        if (i % n >= column) {
            v[i] = v[i - column];
            continue;
        }
        v[i] = random.below(2) ? static_cast<float>(0.5 + random.uniform()) : 0.0f;
    }
}

/// Packed causal segments: query t stands at key S - T + t, and sees its segment up to itself.
void fill_spans(std::vector<int32_t> & v, int64_t n_keys, Random & random) {
    const auto n_queries = static_cast<int64_t>(v.size()) / 2;
    int32_t begin = 0;
    for (int64_t t = 0; t < n_queries; ++t) {
        const auto end = static_cast<int32_t>(std::max<int64_t>(1, n_keys - n_queries + t + 1));
        if (random.below(16) == 0) begin = end - 1;
        const bool none = t > 0 && random.below(12) == 0;
        v[static_cast<size_t>(2 * t)] = none ? end : begin;
        v[static_cast<size_t>(2 * t + 1)] = end;
    }
}

void fill_windows(std::vector<int32_t> & v, int64_t n_keys, Random & random) {
    fill_spans(v, n_keys, random);
    for (size_t i = 0; i < v.size(); i += 2) v[i] = std::max(v[i], v[i + 1] - kCaseWindow);
}

void fill_causal(std::vector<int32_t> & v, int64_t n_keys) {
    const auto n_queries = static_cast<int64_t>(v.size()) / 2;
    for (int64_t t = 0; t < n_queries; ++t) {
        v[static_cast<size_t>(2 * t)] = 0;
        v[static_cast<size_t>(2 * t + 1)] = static_cast<int32_t>(n_keys - n_queries + t + 1);
    }
}

void fill_distinct(std::vector<int32_t> & v, int64_t limit, Random & random) {
    std::vector<int32_t> all(static_cast<size_t>(std::max<int64_t>(limit, static_cast<int64_t>(v.size()))));
    for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<int32_t>(i);
    for (size_t i = 0; i < v.size(); ++i) {
        std::swap(all[i], all[i + static_cast<size_t>(random.below(static_cast<int64_t>(all.size() - i)))]);
        v[i] = all[i];
    }
}

/// Adds a case for each type of weights with that access that has none in the list: a type is covered as soon as it has
/// a row in dtypes.def.
void cover_types(std::vector<ProductCase> & list, Access access) {
    static const auto kNames = [] {
        std::map<ql_dtype, std::string> names;
        for (const DTypeDef & type : all_dtypes())
            names[type.id] = std::string(type.name) + " " + std::to_string(3 * type.block_length) + "x33x5";
        return names;
    }();
    for (const DTypeDef & type : all_dtypes()) {
        if (type.holds != Holds::weights || (type.encode ? Access::written : Access::read) != access) continue;
        if (std::any_of(list.begin(), list.end(), [&](const ProductCase & c) { return c.dtype == type.id; })) continue;
        list.push_back({kNames.at(type.id).c_str(), type.id, 3 * type.block_length, 33, 5});
    }
}

}  // namespace

std::vector<ProductCase> product_cases() {
    std::vector<ProductCase> list = {
        {"f32 1x1x1", QL_F32, 1, 1, 1},
        {"f32 3x5x1", QL_F32, 3, 5, 1},
        {"f32 33x65x3", QL_F32, 33, 65, 3},
        {"f32 65x33x33", QL_F32, 65, 33, 33},
        {"f16 33x17x5", QL_F16, 33, 17, 5},
        {"bf16 65x33x7", QL_BF16, 65, 33, 7},
        {"q8_0 96x33x5", QL_Q8_0, 96, 33, 5},
        {"q8_0 32x1x1", QL_Q8_0, 32, 1, 1},
        {"q4_0 96x65x33", QL_Q4_0, 96, 65, 33},
        {"q4_1 160x33x3", QL_Q4_1, 160, 33, 3},
        {"nf4 192x33x3", QL_NF4, 192, 33, 3},
        {"nf4_dq 64x3x1", QL_NF4_DQ, 64, 3, 1},
        {"nf4_dq 320x65x33", QL_NF4_DQ, 320, 65, 33},  // 325 blocks: the second group of 256 is short
        {"nf4_dq 576x192x65", QL_NF4_DQ, 576, 192, 65},
    };
    cover_types(list, Access::written);
    return list;
}

std::vector<ProductCase> weight_cases() {
    std::vector<ProductCase> list = product_cases();
    list.insert(list.end(), {{"q5_0 96x33x5", QL_Q5_0, 96, 33, 5},
                             {"q5_1 160x65x1", QL_Q5_1, 160, 65, 1},
                             {"q5_1 32x17x7", QL_Q5_1, 32, 17, 7},
                             {"q4_K 768x33x3", QL_Q4_K, 768, 33, 3},
                             {"q4_K 256x65x33", QL_Q4_K, 256, 65, 33},
                             {"q5_K 256x67x1", QL_Q5_K, 256, 67, 1},
                             {"q5_K 512x33x7", QL_Q5_K, 512, 33, 7},
                             {"q6_K 768x65x5", QL_Q6_K, 768, 65, 5},
                             {"q6_K 256x1x1", QL_Q6_K, 256, 1, 1}});
    cover_types(list, Access::read);
    return list;
}

std::vector<ProductCase> head_cases() {
    std::vector<ProductCase> list = {
        {"f32 3x5x6", QL_F32, 3, 5, 6},           {"f32 33x65x7", QL_F32, 33, 65, 7},
        {"f16 33x130x3", QL_F16, 33, 130, 3},     {"bf16 65x33x5", QL_BF16, 65, 33, 5},
        {"q8_0 64x257x33", QL_Q8_0, 64, 257, 33}, {"q4_0 32x65x3", QL_Q4_0, 32, 65, 3},
        {"nf4 64x65x3", QL_NF4, 64, 65, 3},       {"nf4_dq 128x300x5", QL_NF4_DQ, 128, 300, 5},
        {"q4_1 96x33x7", QL_Q4_1, 96, 33, 7},     {"q5_0 32x65x7", QL_Q5_0, 32, 65, 7},
        {"q5_1 96x33x3", QL_Q5_1, 96, 33, 3},     {"q4_K 256x65x5", QL_Q4_K, 256, 65, 5},
        {"q5_K 512x33x3", QL_Q5_K, 512, 33, 3},   {"q6_K 256x67x7", QL_Q6_K, 256, 67, 7},
    };
    cover_types(list, Access::written);
    cover_types(list, Access::read);
    return list;
}

std::vector<float> case_floats(const CaseInput & in, uint64_t seed) {
    std::vector<float> v(static_cast<size_t>(in.shape.elements()));
    Random random(seed);
    if (in.fill == Fill::hyper) return fill_hyper(v), v;
    if (in.fill == Fill::factors) return fill_factors(v, in.shape[0], in.limit, random), v;
    for (float & x : v) switch (in.fill) {
            case Fill::normal:
                x = static_cast<float>(random.normal());
                break;
            case Fill::small:
                x = static_cast<float>(0.02 * random.normal());
                break;
            case Fill::layer:
                x = static_cast<float>(random.normal()) / std::sqrt(static_cast<float>(in.shape[0]));
                break;
            case Fill::positive:
                x = static_cast<float>(0.5 + random.uniform());
                break;
            case Fill::codes:
                x = static_cast<float>(random.below(256) - 128);
                break;
            default:
                x = 0;
                break;
        }
    return v;
}

std::vector<int32_t> case_ints(const CaseInput & in, uint64_t seed) {
    std::vector<int32_t> v(static_cast<size_t>(in.shape.elements()));
    Random random(seed);
    if (in.fill == Fill::spans) return fill_spans(v, in.limit, random), v;
    if (in.fill == Fill::windows) return fill_windows(v, in.limit, random), v;
    if (in.fill == Fill::causal) return fill_causal(v, in.limit), v;
    if (in.fill == Fill::distinct) return fill_distinct(v, in.limit, random), v;
    int32_t position = 0;
    for (size_t i = 0; i < v.size(); ++i) switch (in.fill) {
            case Fill::ids:
                v[i] = random.below(in.limit);
                break;
            case Fill::targets:
                v[i] = random.below(4) == 0 ? -1 : random.below(in.limit);
                break;
            case Fill::positions:
                v[i] = position = i > 0 && random.below(16) != 0 ? position + 1 : 0;
                break;
            case Fill::key:
                v[i] = i == 2 ? 7 : i == 3 ? 1000 : static_cast<int32_t>(random.bits());
                break;
            default:
                v[i] = 0;
                break;
        }
    return v;
}

Status case_fill(const CaseInput & in, uint64_t seed, void * dst) {
    if (in.dtype == QL_I32) {
        const auto v = case_ints(in, seed);
        std::memcpy(dst, v.data(), v.size() * sizeof(int32_t));
        return {};
    }
    const DTypeDef * type = find_dtype(in.dtype);
    if (!type || !type->encode)
        return error(QL_UNSUPPORTED, "case input: type %d cannot be written", static_cast<int>(in.dtype));
    const auto v = case_floats(in, seed);
    return type->encode(v.data(), static_cast<int64_t>(v.size()), dst);
}

}  // namespace ql
