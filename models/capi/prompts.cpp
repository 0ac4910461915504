// extern "C": ql/prompts.h
#include "ql/prompts.h"

#include <algorithm>

#include "common/guarded.hpp"
#include "models/capi/adapter_list.hpp"
#include "models/capi/checks.hpp"
#include "models/data/prompts.hpp"
#include "models/infer/answer_prompts.hpp"

using ql::error;
using ql::Status;

struct ql_prompt_list {
    std::vector<ql::AskedPrompt> prompts;
};

namespace {

Status stopped(int64_t answered, int64_t n) {
    return error(QL_CANCELLED, "stopped after %lld of %lld answers", static_cast<long long>(answered),
                 static_cast<long long>(n));
}

/// The caller's functions, where there are some.
ql::AnswerOptions callbacks(const ql_answer_options & o, int64_t n) {
    ql::AnswerOptions made;
    if (o.on_answer)
        made.on_answer = [&o, n](int64_t prompt, const ql::GrowingAnswer & a) {
            const ql_answer answer{sizeof(answer), prompt, a.text().c_str(), a.n_generated(), a.end()};
            return o.on_answer(o.user, &answer) == 0 ? Status() : stopped(prompt + 1, n);
        };
    if (o.on_token)
        made.on_token = [&o](int64_t prompt, const ql_generated & token) {
            return o.on_token(o.user, prompt, &token) != 0;
        };
    if (o.on_plan)
        made.on_plan = [&o, n](const ql_inference_info & info) {
            return o.on_plan(o.user, &info) == 0 ? Status() : stopped(0, n);
        };
    if (o.cancelled) made.cancelled = [&o] { return o.cancelled(o.user) != 0; };
    return made;
}

/// All but the texts: those that the caller left out are the defaults.
ql::Result<ql_prompt_options> take_options(const ql_prompt_options * options) {
    ql_prompt_options defaults;
    ql_prompt_options_init(&defaults);
    return ql::take_struct(options, defaults);
}

std::string text_of(const char * text) {
    return text ? text : "";
}

}  // namespace

extern "C" {

void ql_answer_options_init(ql_answer_options * options) {
    if (!options) return;
    *options = {};
    options->size = sizeof(*options);
    options->n_at_once = ql::kAnswersAtOnce;
    options->cache_type = QL_F16;
    ql_sampling_init(&options->sampling);
}

ql_status ql_prompts_answer(const ql_model * model, ql_device * device, const ql_adapter * const * adapters,
                            const float * scales, int n_adapters, const ql_prompt * prompts, int64_t n,
                            const ql_answer_options * options) {
    return ql::guarded([&]() -> Status {
        if (!model || !device || n < 0 || (n > 0 && !prompts))
            return error(QL_INVALID_ARGUMENT, "ql_prompts_answer: an argument is NULL");
        ql_answer_options defaults;
        ql_answer_options_init(&defaults);
        QL_ASSIGN(ql_answer_options o, ql::take_struct(options, defaults));
        QL_ASSIGN(o.sampling, ql::take_struct(&o.sampling, defaults.sampling));
        QL_ASSIGN(const auto list, ql::adapter_list(*model, adapters, scales, n_adapters));
        std::vector<ql::Prompt> all;
        for (const ql_prompt & p : std::span(prompts, static_cast<size_t>(n))) {
            if (!p.tokens || p.n < 1) return error(QL_INVALID_ARGUMENT, "prompt %zu: it has no tokens", all.size());
            all.push_back({{p.tokens, static_cast<size_t>(p.n)}, p.n_predict});
        }
        ql::AnswerOptions how = callbacks(o, n);
        how.ctx = o.ctx ? o.ctx : std::min<int64_t>(2048, model->model->hparams().n_ctx);
        how.n_at_once = o.n_at_once, how.cache_type = ql::dtype_of_caller(o.cache_type), how.memory = o.memory;
        how.n_top = o.n_top, how.sampling = o.sampling;
        return ql::answer_prompts(*model->model, device, list, all, how);
    });
}

void ql_prompt_options_init(ql_prompt_options * options) {
    if (options) *options = {sizeof(*options), nullptr, 0, nullptr, nullptr, nullptr, nullptr};
}

ql_status ql_prompt_list_read(const char * path, const ql_model * model, const ql_prompt_options * options,
                              ql_prompt_list ** list) {
    return ql::guarded([&]() -> Status {
        if (!path || !model || !list) return error(QL_INVALID_ARGUMENT, "ql_prompt_list_read: an argument is NULL");
        QL_ASSIGN(const ql_prompt_options o, take_options(options));
        if (o.raw != 0 && o.raw != 1) return error(QL_INVALID_ARGUMENT, "raw: %d is neither 0 nor 1", o.raw);
        QL_ASSIGN(auto prompts,
                  ql::read_prompts(path, *model->model,
                                   {text_of(o.system), o.raw != 0, text_of(o.chat_template), text_of(o.date),
                                    text_of(o.chat_template_kwargs), text_of(o.columns)}));
        *list = new ql_prompt_list{std::move(prompts)};
        return {};
    });
}

void ql_prompt_list_free(ql_prompt_list * list) {
    delete list;
}

int64_t ql_prompt_list_count(const ql_prompt_list * list) {
    return list ? std::ssize(list->prompts) : 0;
}

ql_status ql_prompt_list_get(const ql_prompt_list * list, int64_t i, ql_prompt * prompt, const char ** text,
                             const char ** place) {
    return ql::guarded([&]() -> Status {
        if (!list || !prompt) return error(QL_INVALID_ARGUMENT, "ql_prompt_list_get: an argument is NULL");
        if (i < 0 || i >= std::ssize(list->prompts))
            return error(QL_INVALID_ARGUMENT, "no prompt %lld of %zu", static_cast<long long>(i), list->prompts.size());
        const ql::AskedPrompt & asked = list->prompts[static_cast<size_t>(i)];
        *prompt = {asked.tokens.data(), std::ssize(asked.tokens), -1};
        if (text) *text = asked.text.c_str();
        if (place) *place = asked.place.c_str();
        return {};
    });
}

}  // extern "C"
