// extern "C": ql/generate.h, sessions and evaluation
#include "ql/generate.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "common/guarded.hpp"
#include "models/capi/adapter_list.hpp"
#include "models/capi/checks.hpp"
#include "models/infer/choices.hpp"
#include "models/infer/evaluate.hpp"
#include "models/infer/generate.hpp"
#include "models/train/option_ranges.hpp"
#include "ql/os.h"

using ql::error;
using ql::Status;

struct ql_session {
    std::unique_ptr<ql::Session> session;
    ql::Generated last;
};

namespace {

ql::OnWindow callback(const ql_evaluate_options & o) {
    if (!o.on_window) return {};
    return [o](const ql::Likelihood & so_far, int64_t done, int64_t n) -> Status {
        const ql_evaluated evaluated{sizeof(evaluated), done, n, so_far.tokens, so_far.nll};
        if (o.on_window(o.user, &evaluated) == 0) return {};
        return error(QL_CANCELLED, "stopped after %lld of %lld windows", static_cast<long long>(done),
                     static_cast<long long>(n));
    };
}

ql::OnPlan plan_callback(const ql_evaluate_options & o) {
    if (!o.on_plan) return {};
    return [o](const ql_inference_info & info) -> Status {
        return o.on_plan(o.user, &info) == 0 ? Status() : error(QL_CANCELLED, "stopped before the first window");
    };
}

ql::OnSample sample_callback(const ql_evaluate_options & o) {
    if (!o.on_sample) return {};
    return [o](int64_t sample, const ql::Likelihood & sum) { o.on_sample(o.user, sample, sum.nll, sum.tokens); };
}

ql::Result<ql_evaluate_options> take_options(const ql_model & model, const ql_evaluate_options * options) {
    ql_evaluate_options defaults;
    ql_evaluate_options_init(&defaults);
    QL_ASSIGN(ql_evaluate_options o, ql::take_struct(options, defaults));
    if (o.ctx == 0) o.ctx = std::min<int64_t>(512, model.model->hparams().n_ctx);
    return o;
}

template <typename Evaluate>
Status evaluate(const ql_model * model, ql_device * device, const ql_adapter * const * adapters, const float * scales,
                int n, const ql_evaluate_options * options, ql_nll * result, const Evaluate & run) {
    if (!model || !device) return error(QL_INVALID_ARGUMENT, "evaluation: model or device is NULL");
    QL_TRY(ql::check_struct(result));
    QL_ASSIGN(const ql_evaluate_options o, take_options(*model, options));
    QL_ASSIGN(const auto list, ql::adapter_list(*model, adapters, scales, n));
    const double start = ql_os_seconds();
    QL_ASSIGN(const ql::Likelihood l, run(list, o));
    return ql::give_struct(result, {sizeof(*result), l.nll, std::exp(l.nll), l.tokens, ql_os_seconds() - start});
}

}  // namespace

extern "C" {

void ql_session_options_init(ql_session_options * options) {
    if (options) *options = {sizeof(ql_session_options), 0, nullptr, nullptr, 0, QL_F16, 0};
}

ql_status ql_session_create(const ql_model * model, ql_device * device, const ql_session_options * options,
                            ql_session ** session) {
    return ql::guarded([&]() -> Status {
        if (!model || !device || !session) return error(QL_INVALID_ARGUMENT, "ql_session_create: an argument is NULL");
        ql_session_options defaults;
        ql_session_options_init(&defaults);
        QL_ASSIGN(const ql_session_options o, ql::take_struct(options, defaults));
        QL_ASSIGN(const auto list, ql::adapter_list(*model, o.adapters, o.adapter_scales, o.n_adapters));
        const int64_t ctx = o.ctx ? o.ctx : std::min<int64_t>(2048, model->model->hparams().n_ctx);
        QL_ASSIGN(auto made,
                  ql::Session::create(*model->model, device, list, ctx, ql::dtype_of_caller(o.cache_type), o.memory));
        *session = new ql_session{std::move(made), {}};
        return {};
    });
}

void ql_session_free(ql_session * session) {
    delete session;
}

void ql_session_reset(ql_session * session) {
    if (session) session->session->truncate(0);
}

ql_status ql_session_set_adapter_scales(ql_session * session, const float * scales, int n) {
    return ql::guarded([&]() -> Status {
        if (!session || n < 0 || (n > 0 && !scales))
            return error(QL_INVALID_ARGUMENT, "ql_session_set_adapter_scales: an argument is NULL");
        return session->session->set_factors({scales, static_cast<size_t>(n)});
    });
}

int64_t ql_session_position(const ql_session * session) {
    return session ? session->session->position() : 0;
}

ql_status ql_session_eval(ql_session * session, const int32_t * tokens, int64_t n, const float ** logits) {
    return ql::guarded([&]() -> Status {
        if (!session || !tokens || n < 0) return error(QL_INVALID_ARGUMENT, "ql_session_eval: an argument is NULL");
        QL_TRY(session->session->eval({tokens, static_cast<size_t>(n)}));
        if (logits) *logits = session->session->logits().data();
        return {};
    });
}

ql_status ql_session_describe(const ql_session * session, ql_inference_info * info) {
    return ql::guarded([&]() -> Status {
        if (!session) return error(QL_INVALID_ARGUMENT, "ql_session_describe: the session is NULL");
        return ql::give_struct(info, session->session->describe());
    });
}

ql_plan * ql_session_plan(ql_session * session, int64_t n) {
    return session && n > 0 ? session->session->plan(n) : nullptr;
}

void ql_sampling_init(ql_sampling * sampling) {
    if (sampling) *sampling = {sizeof(ql_sampling), 0.8, 40, 0.95, 0.05, 1.0, 42};
}

void ql_generate_options_init(ql_generate_options * options) {
    if (!options) return;
    *options = {};
    options->size = sizeof(*options);
    options->n_predict = -1;
    ql_sampling_init(&options->sampling);
}

ql_status ql_generate(ql_session * session, const int32_t * prompt, int64_t n, const ql_generate_options * options,
                      ql_generate_result * result) {
    return ql::guarded([&]() -> Status {
        if (!session || !prompt || n < 0) return error(QL_INVALID_ARGUMENT, "ql_generate: an argument is NULL");
        ql_generate_options defaults;
        ql_generate_options_init(&defaults);
        QL_ASSIGN(ql_generate_options o, ql::take_struct(options, defaults));
        QL_ASSIGN(o.sampling, ql::take_struct(&o.sampling, defaults.sampling));
        if (result) QL_TRY(ql::check_struct(result));
        QL_ASSIGN(session->last, ql::generate(*session->session, {prompt, static_cast<size_t>(n)}, o));
        const ql::Generated & g = session->last;
        if (!result) return {};
        return ql::give_struct(result, {sizeof(*result), g.text.c_str(), n, g.n_generated, g.prompt_seconds,
                                        g.generation_seconds, g.ended});
    });
}

void ql_evaluate_options_init(ql_evaluate_options * options) {
    if (options) *options = {sizeof(*options), 0, 0, nullptr, nullptr, 0, nullptr, nullptr, QL_COUNT_EACH};
}

ql_status ql_evaluate_text(const ql_model * model, ql_device * device, const ql_adapter * const * adapters,
                           const float * scales, int n_adapters, const char * text, size_t size,
                           const ql_evaluate_options * options, ql_nll * result) {
    return ql::guarded([&]() -> Status {
        if (!text && size) return error(QL_INVALID_ARGUMENT, "ql_evaluate_text: text is NULL");
        const auto run = [&](const auto & list, const ql_evaluate_options & o) -> ql::Result<ql::Likelihood> {
            const ql::EvaluateMemory memory{o.memory, plan_callback(o)};
            QL_TRY(ql::check_enum("count", o.count, QL_COUNT_LLAMA_CPP));
            if (o.count == QL_COUNT_EACH)
                return ql::evaluate_text(*model->model, device, list, {text, size}, o.ctx, o.stride, callback(o),
                                         memory);
            if (o.stride != 0)
                return error(QL_INVALID_ARGUMENT, "ql_evaluate_text: stride %lld: windows lie side by side",
                             static_cast<long long>(o.stride));
            return ql::evaluate_text_as_llama_cpp(*model->model, device, list, {text, size}, o.ctx, callback(o),
                                                  memory);
        };
        return evaluate(model, device, adapters, scales, n_adapters, options, result, run);
    });
}

ql_status ql_evaluate_dataset(const ql_model * model, ql_device * device, const ql_adapter * const * adapters,
                              const float * scales, int n_adapters, const ql_dataset * data,
                              const ql_evaluate_options * options, ql_nll * result) {
    return ql::guarded([&]() -> Status {
        if (!data) return error(QL_INVALID_ARGUMENT, "ql_evaluate_dataset: data is NULL");
        if (model) QL_TRY(ql::check_made_for(*data, *model));
        const auto run = [&](const auto & list, const ql_evaluate_options & o) -> ql::Result<ql::Likelihood> {
            if (o.stride != 0)
                return error(QL_INVALID_ARGUMENT, "ql_evaluate_dataset: stride %lld: only a text has one",
                             static_cast<long long>(o.stride));
            return ql::evaluate_dataset(*model->model, device, list, data->data, o.ctx, callback(o),
                                        {o.memory, plan_callback(o)}, sample_callback(o));
        };
        return evaluate(model, device, adapters, scales, n_adapters, options, result, run);
    });
}

ql_status ql_evaluate_choices(const ql_model * model, ql_device * device, const ql_adapter * const * adapters,
                              const float * scales, int n_adapters, const char * path,
                              const ql_evaluate_options * options, ql_choices * result) {
    return ql::guarded([&]() -> Status {
        if (!model || !device || !path) return error(QL_INVALID_ARGUMENT, "ql_evaluate_choices: an argument is NULL");
        QL_TRY(ql::check_struct(result));
        QL_ASSIGN(const ql_evaluate_options o, take_options(*model, options));
        if (o.stride != 0)
            return error(QL_INVALID_ARGUMENT, "ql_evaluate_choices: stride %lld: only a text has one",
                         static_cast<long long>(o.stride));
        QL_ASSIGN(const auto list, ql::adapter_list(*model, adapters, scales, n_adapters));
        const double start = ql_os_seconds();
        QL_ASSIGN(const auto questions, ql::read_choices(path));
        QL_ASSIGN(const ql::ChoiceScores s, ql::evaluate_choices(*model->model, device, list, questions, path, o.ctx,
                                                                 callback(o), {o.memory, plan_callback(o)}));
        return ql::give_struct(result, {sizeof(*result), s.questions, s.right, s.right_by_length, s.of_right.nll,
                                        s.of_right.tokens, ql_os_seconds() - start});
    });
}

}  // extern "C"
