// Wrong calls of ql/prompts.h.
#include <climits>
#include <cmath>

#include "models/model_arguments.hpp"

namespace ql::test {

std::vector<BadCall> ModelArguments::prompt_calls() {
    static const int32_t token = 1, outside = INT32_MAX;
    static const std::vector<int32_t> many(300, 1);
    static ql_prompt asked{};
    static ql_prompt_list * list = nullptr;
    if (!list) {
        EXPECT_EQ(ql_prompt_list_read(data_path_.c_str(), model_, nullptr, &list), QL_OK) << ql_error_message();
    }
    const auto answering = [this](ql_prompt prompt, auto change) {
        return [this, prompt, change] {
            ql_answer_options o;
            ql_answer_options_init(&o);
            change(o);
            return ql_prompts_answer(model_, device_, nullptr, nullptr, 0, &prompt, 1, &o);
        };
    };
    const auto asking = [answering](ql_prompt prompt) { return answering(prompt, [](auto &) {}); };
    const auto reading = [this](auto change) {
        return [this, change] {
            ql_prompt_options o;
            ql_prompt_options_init(&o);
            change(o);
            ql_prompt_list * made = nullptr;
            return ql_prompt_list_read(data_path_.c_str(), model_, &o, &made);
        };
    };
    const ql_prompt good = {&token, 1, 1};
    std::vector<BadCall> calls = {
        {"ql_prompts_answer", "NULL",
         [this] { return ql_prompts_answer(nullptr, device_, nullptr, nullptr, 0, &asked, 1, nullptr); }},
        {"ql_prompts_answer", "no prompts",
         [this] { return ql_prompts_answer(model_, device_, nullptr, nullptr, 0, nullptr, 1, nullptr); }},
        {"ql_prompts_answer", "n -1",
         [this, good] { return ql_prompts_answer(model_, device_, nullptr, nullptr, 0, &good, -1, nullptr); }},
        {"ql_prompts_answer", "no adapters",
         [this, good] { return ql_prompts_answer(model_, device_, nullptr, nullptr, 1, &good, 1, nullptr); }},
        {"ql_prompts_answer", "another model's adapter",
         [this, good] {
             const auto * others = const_cast<const ql_adapter * const *>(&others_adapter_);
             return ql_prompts_answer(model_, device_, others, nullptr, 1, &good, 1, nullptr);
         }},
        {"ql_prompts_answer", "no tokens", asking({nullptr, 1, 1})},
        {"ql_prompts_answer", "0 tokens", asking({&token, 0, 1})},
        {"ql_prompts_answer", "tokens INT64_MIN", asking({&token, INT64_MIN, 1})},
        {"ql_prompts_answer", "a token outside the vocabulary", asking({&outside, 1, 1})},
        {"ql_prompts_answer", "more tokens than the context", asking({many.data(), 300, 1})},
        {"ql_prompts_answer", "ctx -1", answering(good, [](auto & o) { o.ctx = -1; })},
        {"ql_prompts_answer", "ctx INT64_MAX", answering(good, [](auto & o) { o.ctx = INT64_MAX; })},
        {"ql_prompts_answer", "n_at_once 0", answering(good, [](auto & o) { o.n_at_once = 0; })},
        {"ql_prompts_answer", "n_at_once INT64_MAX", answering(good, [](auto & o) { o.n_at_once = INT64_MAX; })},
        {"ql_prompts_answer", "n_top 101", answering(good, [](auto & o) { o.n_top = 101; })},
        {"ql_prompts_answer", "temperature NaN", answering(good, [](auto & o) { o.sampling.temperature = NAN; })},
        {"ql_prompts_answer", "cache_type 77", answering(good, [](auto & o) { o.cache_type = wrong<ql_dtype>(77); })},
        {"ql_prompts_answer", "memory 1", answering(good, [](auto & o) { o.memory = 1; })},
        {"ql_prompt_list_read", "NULL", [this] { return ql_prompt_list_read(nullptr, model_, nullptr, &list); }},
        {"ql_prompt_list_read", "no list",
         [this] { return ql_prompt_list_read(data_path_.c_str(), model_, nullptr, nullptr); }},
        {"ql_prompt_list_read", "no file",
         [this] {
             ql_prompt_list * made = nullptr;
             return ql_prompt_list_read("/absent", model_, nullptr, &made);
         }},
        {"ql_prompt_list_read", "raw 2", reading([](auto & o) { o.raw = 2; })},
        {"ql_prompt_list_read", "no template", reading([](auto & o) { o.chat_template = "/absent"; })},
        {"ql_prompt_list_read", "no date", reading([](auto & o) { o.date = "2025-02-30"; })},
        {"ql_prompt_list_read", "no kwargs", reading([](auto & o) { o.chat_template_kwargs = "["; })},
        {"ql_prompt_list_read", "no columns", reading([](auto & o) { o.columns = "question"; })},
        {"ql_prompt_list_get", "NULL", [] { return ql_prompt_list_get(nullptr, 0, &asked, nullptr, nullptr); }},
        {"ql_prompt_list_get", "NULL prompt", [] { return ql_prompt_list_get(list, 0, nullptr, nullptr, nullptr); }},
        {"ql_prompt_list_get", "-1", [] { return ql_prompt_list_get(list, -1, &asked, nullptr, nullptr); }},
        {"ql_prompt_list_get", "past the end",
         [] { return ql_prompt_list_get(list, INT64_MAX, &asked, nullptr, nullptr); }},
    };
    for (const size_t size : kBadSizes) {
        calls.push_back({"ql_prompts_answer", "size", answering(good, [size](auto & o) { o.size = size; })});
        calls.push_back({"ql_prompt_list_read", "size", reading([size](auto & o) { o.size = size; })});
    }
    return calls;
}

}  // namespace ql::test
