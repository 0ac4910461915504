// Wrong calls of ql/engine.h.
#include <climits>
#include <cmath>

#include "models/model_arguments.hpp"

namespace ql::test {

std::vector<BadCall> ModelArguments::engine_calls() {
    static const float one = 1, infinite = INFINITY;
    static const int32_t token = 1, outside = INT32_MAX;
    static ql_inference_info described{sizeof(described)};
    const ql_adapter * const * others = const_cast<const ql_adapter * const *>(&others_adapter_);
    const auto making = [this](auto change) {
        return [this, change] {
            ql_engine_options o;
            ql_engine_options_init(&o);
            change(o);
            ql_engine * engine = nullptr;
            return ql_engine_create(model_, device_, &o, &engine);
        };
    };
    const auto read = [this](std::vector<ql_sequence_tokens> parts) {
        return [this, parts] { return ql_engine_read(engine_, parts.data(), static_cast<int64_t>(parts.size())); };
    };
    const auto scales = [this](int64_t sequence, const float * list, int n) {
        return [=, this] { return ql_engine_set_adapter_scales(engine_, sequence, list, n); };
    };
    std::vector<BadCall> calls = {
        {"ql_engine_create", "NULL", [this] { return ql_engine_create(model_, device_, nullptr, nullptr); }},
        {"ql_engine_create", "ctx -1", making([](auto & o) { o.ctx = -1; })},
        {"ql_engine_create", "n_sequences 0", making([](auto & o) { o.n_sequences = 0; })},
        {"ql_engine_create", "n_sequences INT64_MAX", making([](auto & o) { o.n_sequences = INT64_MAX; })},
        {"ql_engine_create", "n_pages -1", making([](auto & o) { o.n_pages = -1; })},
        {"ql_engine_create", "n_adapters 65", making([others](auto & o) { o.adapters = others, o.n_adapters = 65; })},
        {"ql_engine_create", "no list", making([](auto & o) { o.n_adapters = 1; })},
        {"ql_engine_create", "another model's adapter",
         making([others](auto & o) { o.adapters = others, o.n_adapters = 1; })},
        {"ql_engine_create", "memory 1", making([](auto & o) { o.memory = 1; })},
        {"ql_engine_describe", "NULL", [] { return ql_engine_describe(nullptr, &described); }},
        {"ql_engine_describe", "NULL info", [this] { return ql_engine_describe(engine_, nullptr); }},
        {"ql_engine_create", "cache_type 77", making([](auto & o) { o.cache_type = wrong<ql_dtype>(77); })},
        {"ql_engine_read", "NULL", [] { return ql_engine_read(nullptr, nullptr, 0); }},
        {"ql_engine_read", "no list", [this] { return ql_engine_read(engine_, nullptr, 1); }},
        {"ql_engine_read", "n -1", [this] { return ql_engine_read(engine_, nullptr, -1); }},
        {"ql_engine_read", "n INT64_MAX",
         [this] {
             const ql_sequence_tokens part = {0, &token, 1, 1};
             return ql_engine_read(engine_, &part, INT64_MAX);
         }},
        {"ql_engine_read", "no tokens", read({{0, nullptr, 1, 1}})},
        {"ql_engine_read", "n 0", read({{0, &token, 0, 1}})},
        {"ql_engine_read", "tokens INT64_MAX", read({{0, &token, INT64_MAX, 1}})},
        {"ql_engine_read", "a token outside the vocabulary", read({{0, &outside, 1, 1}})},
        {"ql_engine_read", "sequence -1", read({{-1, &token, 1, 1}})},
        {"ql_engine_read", "sequence 2 of 2", read({{2, &token, 1, 1}})},
        {"ql_engine_read", "a sequence twice", read({{1, &token, 1, 1}, {1, &token, 1, 1}})},
        {"ql_engine_set_adapter_scales", "NULL", [] { return ql_engine_set_adapter_scales(nullptr, 0, &one, 1); }},
        {"ql_engine_set_adapter_scales", "no list", scales(0, nullptr, 1)},
        {"ql_engine_set_adapter_scales", "n 0 of 1", scales(0, &one, 0)},
        {"ql_engine_set_adapter_scales", "n -1", scales(0, &one, -1)},
        {"ql_engine_set_adapter_scales", "sequence 2 of 2", scales(2, &one, 1)},
        {"ql_engine_set_adapter_scales", "infinite", scales(0, &infinite, 1)},
        {"ql_engine_truncate", "NULL", [] { return ql_engine_truncate(nullptr, 0, 0); }},
        {"ql_engine_truncate", "more than it has", [this] { return ql_engine_truncate(engine_, 0, 1); }},
        {"ql_engine_truncate", "n -1", [this] { return ql_engine_truncate(engine_, 0, -1); }},
        {"ql_engine_truncate", "sequence -1", [this] { return ql_engine_truncate(engine_, -1, 0); }},
        {"ql_engine_fork", "NULL", [] { return ql_engine_fork(nullptr, 0, 0); }},
        {"ql_engine_fork", "from 2 of 2", [this] { return ql_engine_fork(engine_, 2, 0); }},
        {"ql_engine_fork", "to -1", [this] { return ql_engine_fork(engine_, 0, -1); }},
    };
    for (const size_t size : kBadSizes)
        calls.push_back({"ql_engine_create", "size", making([size](auto & o) { o.size = size; })});
    return calls;
}

}  // namespace ql::test
