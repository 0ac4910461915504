// Speed of reading a prompt and of generating, token by token, with any tokens: the values do not matter, the work
// does.
#include "ql/os.h"
#include "tools/bench/bench.hpp"
#include "tools/bench/profile.hpp"

namespace ql::cli {
namespace {

/// Two for each weight of the blocks, and attention over half the prompt on average; the head, run once, is left out.
double prompt_gflop_per_token(const ql_model_info & m, int64_t prompt) {
    const double head_dim = static_cast<double>(m.n_embd) / static_cast<double>(m.n_head);
    const double d = static_cast<double>(m.n_embd), kv = head_dim * static_cast<double>(m.n_head_kv);
    const double linears = 2 * d * d + 2 * d * kv + 3 * d * static_cast<double>(m.n_ff);
    return static_cast<double>(m.n_layer) * (2 * linears + 2 * 2 * d * static_cast<double>(prompt) / 2) / 1e9;
}

}  // namespace

std::vector<Figure> bench_infer(const ModelPtr & model, const DevicePtr & device, const ModelOptions::Loras & loras,
                                const InferBench & o, const Limits & limits) {
    const ql_model_info info = ModelOptions::describe(model);
    const int64_t ctx = o.prompt + o.generation;
    if (ctx > info.n_ctx)
        bad_input("--prompt and --generate: %lld tokens together are more than the model's context of %lld",
                  static_cast<long long>(ctx), static_cast<long long>(info.n_ctx));
    const SessionPtr session = open_session(model, device, loras, {ctx, o.cache_type, o.memory});

    std::vector<int32_t> tokens;
    for (int64_t i = 0; i < o.prompt; ++i) tokens.push_back(static_cast<int32_t>((i * 7919 + 13) % info.n_vocab));
    std::vector<double> prompt_rates, generation_rates;
    double prompt_seconds = 0, generation_seconds = 0;
    for (int64_t r = 0; r <= o.repeats; ++r) {  // the first one warms up
        ql_session_reset(session.get());
        const double start = ql_os_seconds();
        run_of(eval(session, tokens));
        const double read = ql_os_seconds();
        for (int64_t i = 0; i < o.generation; ++i) {
            check_interrupt();
            run_of(eval(session, {&tokens[static_cast<size_t>(i % o.prompt)], 1}));
        }
        const double end = ql_os_seconds();
        if (r == 0) {
            for (const int64_t n : {o.prompt, int64_t{1}})
                if (o.profile) check_run(ql_plan_set_profiling(ql_session_plan(session.get(), n), 1));
            continue;
        }
        prompt_seconds += read - start, generation_seconds += end - read;
        prompt_rates.push_back(static_cast<double>(o.prompt) / (read - start));
        generation_rates.push_back(static_cast<double>(o.generation) / (end - read));
    }
    if (o.profile) {
        Profile prompt, generation;
        prompt.add(ql_session_plan(session.get(), o.prompt));
        prompt.print(o.repeats, prompt_seconds, limits);
        generation.add(ql_session_plan(session.get(), 1));
        generation.print(o.repeats * o.generation, generation_seconds, limits);
    }
    const std::string shape = std::string(info.base_type) + (loras.n() ? format(" + %d lora", loras.n()) : "");
    const double most_prompt = limits.gflops / prompt_gflop_per_token(info, o.prompt);
    const double most_generation =
        limits.bandwidth * 1e9 / static_cast<double>(info.weight_bytes);  // every weight is read once a token
    return {figure(format("prompt_%lld", static_cast<long long>(o.prompt)), shape, prompt_rates, "tok/s", most_prompt),
            figure(format("generation_%lld", static_cast<long long>(o.generation)), shape, generation_rates, "tok/s",
                   most_generation)};
}

}  // namespace ql::cli
