// Wrong calls of ql/generate.h and ql/train.h.
#include "models/model_arguments.hpp"

#include <climits>
#include <cmath>

namespace ql::test {

std::vector<BadCall> ModelArguments::infer_calls() {
    static ql_session * session = nullptr;
    static ql_inference_info described{sizeof(described)};
    static const float infinite = INFINITY;
    static const ql_adapter * none = nullptr;
    const ql_adapter * const * own = const_cast<const ql_adapter * const *>(&adapter_);
    const ql_adapter * const * others = const_cast<const ql_adapter * const *>(&others_adapter_);
    const auto eval = [this](std::vector<int32_t> tokens, int64_t n) {
        return [this, tokens, n] {
            ql_session_reset(session_);
            return ql_session_eval(session_, tokens.data(), n, nullptr);
        };
    };
    const auto set_adapters = [](const ql_adapter * const * list, int n) {
        return [list, n](auto & o) { o.adapters = list, o.n_adapters = n; };
    };
    const auto text = [this](int64_t ctx, int64_t stride, int n_adapters = 0, ql_text_count count = QL_COUNT_EACH) {
        return [=, this] {
            ql_evaluate_options o;
            ql_evaluate_options_init(&o);
            o.ctx = ctx, o.stride = stride, o.count = count;
            return ql_evaluate_text(model_, device_, nullptr, nullptr, n_adapters, "abc", 3, &o, &nll_);
        };
    };
    static const char * role = "user";
    static char * rendered = nullptr;
    static char date[QL_DATE_SIZE];
    std::vector<BadCall> calls = {
        {"ql_session_create", "NULL", [this] { return ql_session_create(nullptr, device_, nullptr, &session); }},
        {"ql_session_create", "ctx -1", making_session([](auto & o) { o.ctx = -1; })},
        {"ql_session_create", "ctx above the model's", making_session([](auto & o) { o.ctx = 257; })},
        {"ql_session_create", "memory 1", making_session([](auto & o) { o.memory = 1; })},
        {"ql_session_describe", "NULL", [] { return ql_session_describe(nullptr, &described); }},
        {"ql_session_describe", "NULL info", [this] { return ql_session_describe(session_, nullptr); }},
        {"ql_session_create", "n_adapters -1", making_session(set_adapters(own, -1))},
        {"ql_session_create", "n_adapters INT_MAX", making_session(set_adapters(own, INT_MAX))},
        {"ql_session_create", "no list", making_session(set_adapters(nullptr, 1))},
        {"ql_session_create", "a NULL adapter", making_session(set_adapters(&none, 1))},
        {"ql_session_create", "another model's adapter", making_session(set_adapters(others, 1))},
        {"ql_session_create", "an infinite scale",
         making_session([own](auto & o) { o.adapters = own, o.n_adapters = 1, o.adapter_scales = &infinite; })},
        {"ql_session_create", "cache_type 77", making_session([](auto & o) { o.cache_type = wrong<ql_dtype>(77); })},
        {"ql_session_eval", "NULL", [] { return ql_session_eval(nullptr, nullptr, 1, nullptr); }},
        {"ql_session_eval", "no tokens", eval({1}, 0)},
        {"ql_session_eval", "n -1", eval({1}, -1)},
        {"ql_session_eval", "n INT64_MAX", eval({1}, INT64_MAX)},
        {"ql_session_eval", "token -1", eval({-1}, 1)},
        {"ql_session_eval", "a token outside the vocabulary", eval({INT32_MAX}, 1)},
        {"ql_session_set_adapter_scales", "NULL", [] { return ql_session_set_adapter_scales(nullptr, &infinite, 1); }},
        {"ql_session_set_adapter_scales", "1 scale for 0 adapters",
         [this] { return ql_session_set_adapter_scales(session_, &infinite, 1); }},
        {"ql_session_set_adapter_scales", "no list",
         [this] { return ql_session_set_adapter_scales(session_, nullptr, 1); }},
        {"ql_session_set_adapter_scales", "n -1",
         [this] { return ql_session_set_adapter_scales(session_, nullptr, -1); }},
        {"ql_generate", "NULL", [] { return ql_generate(nullptr, nullptr, 1, nullptr, nullptr); }},
        {"ql_generate", "n INT64_MAX",
         [this] {
             const int32_t token = 1;
             return ql_generate(session_, &token, INT64_MAX, nullptr, nullptr);
         }},
        {"ql_generate", "n_top 101", generating([](auto & o) { o.n_top = 101; })},
        {"ql_generate", "n_top -1", generating([](auto & o) { o.n_top = -1; })},
        {"ql_generate", "temperature NaN", generating([](auto & o) { o.sampling.temperature = NAN; })},
        {"ql_generate", "temperature -1", generating([](auto & o) { o.sampling.temperature = -1; })},
        {"ql_generate", "top_k -1", generating([](auto & o) { o.sampling.top_k = -1; })},
        {"ql_generate", "top_p 2", generating([](auto & o) { o.sampling.top_p = 2; })},
        {"ql_generate", "min_p NaN", generating([](auto & o) { o.sampling.min_p = NAN; })},
        {"ql_generate", "repeat_penalty 0", generating([](auto & o) { o.sampling.repeat_penalty = 0; })},
        {"ql_generate", "sampling without its size", generating([](auto & o) { o.sampling = {}; })},
        {"ql_chat_template_read", "NULL", [] { return ql_chat_template_read(nullptr, &rendered); }},
        {"ql_chat_template_read", "no name and no file", [] { return ql_chat_template_read("/absent", &rendered); }},
        {"ql_chat_date", "NULL", [] { return ql_chat_date("2024-07-26", nullptr); }},
        {"ql_chat_date", "no date", [] { return ql_chat_date("25-1-1", date); }},
        {"ql_chat_render", "no date",
         [this] {
             ql_chat_options o;
             ql_chat_options_init(&o);
             o.date = "today";
             return ql_chat_render(model_, &o, &role, &role, 1, &rendered);
         }},
        {"ql_chat_render", "NULL", [] { return ql_chat_render(nullptr, nullptr, &role, &role, 1, &rendered); }},
        {"ql_chat_render", "n -1", [this] { return ql_chat_render(model_, nullptr, &role, &role, -1, &rendered); }},
        {"ql_chat_render", "no roles",
         [this] { return ql_chat_render(model_, nullptr, nullptr, &role, 1, &rendered); }},
        {"ql_evaluate_text", "ctx 1", text(1, 0)},
        {"ql_evaluate_text", "ctx above the model's", text(257, 0)},
        {"ql_evaluate_text", "stride -1", text(64, -1)},
        {"ql_evaluate_text", "stride above ctx", text(64, 65)},
        {"ql_evaluate_text", "count 7", text(64, 0, 0, wrong<ql_text_count>(7))},
        {"ql_evaluate_text", "a stride for llama.cpp's windows", text(64, 1, 0, QL_COUNT_LLAMA_CPP)},
        {"ql_evaluate_text", "no adapters in the list", text(64, 0, 1)},
        {"ql_evaluate_choices", "NULL path",
         [this] {
             ql_choices choices = {};
             choices.size = sizeof choices;
             return ql_evaluate_choices(model_, device_, nullptr, nullptr, 0, nullptr, nullptr, &choices);
         }},
        {"ql_evaluate_dataset", "NULL data",
         [this] { return ql_evaluate_dataset(model_, device_, nullptr, nullptr, 0, nullptr, nullptr, &nll_); }},
        {"ql_evaluate_dataset", "NULL model",
         [this] { return ql_evaluate_dataset(nullptr, device_, nullptr, nullptr, 0, data_, nullptr, &nll_); }},
        {"ql_evaluate_dataset", "NULL result",
         [this] { return ql_evaluate_dataset(model_, device_, nullptr, nullptr, 0, data_, nullptr, nullptr); }},
        {"ql_evaluate_dataset", "another model's data",
         [this] { return ql_evaluate_dataset(model_, device_, nullptr, nullptr, 0, others_data_, nullptr, &nll_); }},
        {"ql_evaluate_dataset", "another model's adapter",
         [this, others] { return ql_evaluate_dataset(model_, device_, others, nullptr, 1, data_, nullptr, &nll_); }},
        {"ql_evaluate_dataset", "ctx 1", evaluating(1)},
        {"ql_evaluate_dataset", "ctx -1", evaluating(-1)},
        {"ql_evaluate_dataset", "ctx above the model's", evaluating(257)},
        {"ql_evaluate_dataset", "ctx INT64_MAX", evaluating(INT64_MAX)},
        {"ql_evaluate_dataset", "no trained token within ctx", evaluating(2)},
        {"ql_evaluate_dataset", "stride 1", evaluating(64, sizeof(ql_nll), 1)},
        {"ql_evaluate_dataset", "size 0", evaluating(64, 0)},
    };
    for (const size_t size : kBadSizes) {
        calls.push_back({"ql_session_create", "size", making_session([size](auto & o) { o.size = size; })});
        calls.push_back({"ql_generate", "size", generating([size](auto & o) { o.size = size; })});
    }
    return calls;
}

std::vector<BadCall> ModelArguments::train_calls() {
    static ql_trainer * trainer = nullptr;
    static ql_trainer_info info;
    static ql_train_summary summary;
    static ql_optimizer_info optimizer{sizeof optimizer};
    static double loss = 0;
    const auto create = [this](ql_adapter * adapter, const ql_dataset * data, const ql_dataset * eval) {
        return [=, this] { return ql_trainer_create(model_, device_, adapter, data, eval, nullptr, &trainer); };
    };
    std::vector<BadCall> calls = {
        {"ql_trainer_create", "NULL adapter", create(nullptr, data_, nullptr)},
        {"ql_adapter_start_eva", "NULL",
         [this] { return ql_adapter_start_eva(nullptr, model_, device_, data_, nullptr); }},
        {"ql_adapter_start_eva", "another model's data",
         [this] { return ql_adapter_start_eva(adapter_, model_, device_, others_data_, nullptr); }},
        {"ql_adapter_start_eva", "n_batches 0", starting_eva([](auto & o) { o.n_batches = 0; })},
        {"ql_adapter_start_eva", "rounds 2^40", starting_eva([](auto & o) { o.rounds = int64_t{1} << 40; })},
        {"ql_adapter_start_eva", "ctx above the model's", starting_eva([](auto & o) { o.ctx = 257; })},
        {"ql_adapter_start_eva", "batch 0", starting_eva([](auto & o) { o.batch = 0; })},
        {"ql_adapter_start_eva", "size", starting_eva([](auto & o) { o.size = 0; })},
        {"ql_trainer_create", "NULL data", create(adapter_, nullptr, nullptr)},
        {"ql_trainer_create", "another model's adapter", create(others_adapter_, data_, nullptr)},
        {"ql_trainer_create", "another model's data", create(adapter_, others_data_, nullptr)},
        {"ql_trainer_create", "another model's evaluation data", create(adapter_, data_, others_data_)},
        {"ql_trainer_create", "schedule 77", making_trainer([](auto & o) { o.schedule = wrong<ql_schedule>(77); })},
        {"ql_trainer_create", "recompute -1", making_trainer([](auto & o) { o.recompute = wrong<ql_recompute>(-1); })},
        {"ql_trainer_create", "ctx above the model's", making_trainer([](auto & o) { o.ctx = 257; })},
        {"ql_trainer_create", "ctx below a sample's length", making_trainer([](auto & o) { o.ctx = 8; })},
        {"ql_trainer_create", "lr-floor 2", making_trainer([](auto & o) { o.lr_floor = 2; })},
        {"ql_trainer_create", "decay NaN", making_trainer([](auto & o) { o.decay = NAN; })},
        {"ql_trainer_create", "epochs -1", making_trainer([](auto & o) { o.epochs = -1; })},
        {"ql_trainer_create", "early_stop -1", making_trainer([](auto & o) { o.early_stop = -1; })},
        {"ql_trainer_create", "overwrite 3", making_trainer([](auto & o) { o.overwrite = 3; })},
        {"ql_trainer_create", "lr NaN", making_trainer([](auto & o) { o.lr = NAN; })},
        {"ql_trainer_create", "eps -1", making_trainer([](auto & o) { o.eps = -1; })},
        {"ql_trainer_create", "beta1 1", making_trainer([](auto & o) { o.beta1 = 1; })},
        {"ql_trainer_create", "optimizer 9", making_trainer([](auto & o) { o.optimizer = wrong<ql_optimizer>(9); })},
        {"ql_trainer_create", "a paged optimizer without spill",
         making_trainer([](auto & o) { o.optimizer = QL_OPTIMIZER_PAGED_ADAMW8BIT; })},
        {"ql_optimizer_describe", "9", [] { return ql_optimizer_describe(wrong<ql_optimizer>(9), &optimizer); }},
        {"ql_optimizer_describe", "NULL", [] { return ql_optimizer_describe(QL_OPTIMIZER_SGD, nullptr); }},
        {"ql_trainer_create", "warmup infinite", making_trainer([](auto & o) { o.warmup = INFINITY; })},
        {"ql_trainer_create", "merge_type 77", making_trainer([](auto & o) { o.merge_type = 77; })},
        {"ql_trainer_create", "merge_type -2", making_trainer([](auto & o) { o.merge_type = -2; })},
        {"ql_trainer_create", "merge_type, and dropout",
         making_trainer([](auto & o) { o.merge_type = QL_Q4_0, o.lora_dropout = 0.5; })},
        {"ql_trainer_create", "neftune_alpha -1", making_trainer([](auto & o) { o.neftune_alpha = -1; })},
        {"ql_trainer_create", "lora_dropout 1", making_trainer([](auto & o) { o.lora_dropout = 1; })},
        {"ql_trainer_create", "clip NaN", making_trainer([](auto & o) { o.clip = NAN; })},
        {"ql_trainer_create", "keep 0", making_trainer([](auto & o) { o.keep = 0; })},
        {"ql_trainer_describe", "NULL", [] { return ql_trainer_describe(nullptr, &info); }},
        {"ql_trainer_evaluate", "NULL", [this] { return ql_trainer_evaluate(nullptr, &loss, &n_); }},
        {"ql_trainer_read_adapter", "NULL", [] { return ql_trainer_read_adapter(nullptr); }},
        {"ql_trainer_remove_checkpoints", "NULL", [] { return ql_trainer_remove_checkpoints(nullptr); }},
        {"ql_trainer_run", "NULL", [] { return ql_trainer_run(nullptr); }},
        {"ql_trainer_summary", "NULL", [] { return ql_trainer_summary(nullptr, &summary); }},
    };
    for (int64_t ql_train_options::*field :
         {&ql_train_options::ctx, &ql_train_options::batch, &ql_train_options::grad_accum, &ql_train_options::steps,
          &ql_train_options::eval_every, &ql_train_options::save_every, &ql_train_options::early_stop})
        for (const int64_t value : {int64_t{-1}, INT64_MIN, INT64_MAX})
            calls.push_back({"ql_trainer_create", "a count far out of range",
                             making_trainer([field, value](auto & o) { o.*field = value; })});
    for (const size_t size : kBadSizes)
        calls.push_back({"ql_trainer_create", "size", making_trainer([size](auto & o) { o.size = size; })});
    return calls;
}

}  // namespace ql::test
