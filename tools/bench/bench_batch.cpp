// Speed of several sequences on one engine, together: reading their prompts, then a token of each at a time. With adapters,
// sequences have them by turns, so that a batch mixes them; and how long it takes to give a sequence another one.
#include <algorithm>

#include "ql/engine.h"
#include "ql/os.h"
#include "tools/bench/bench.hpp"
#include "tools/bench/profile.hpp"

namespace ql::cli {
namespace {

class Batch {
  public:
    Batch(const ModelPtr & model, const DevicePtr & device, const ModelOptions::Loras & loras, const InferBench & o)
        : loras_(loras), n_(o.sequences) {
        auto options = defaults<ql_engine_options>();
        options.ctx = o.prompt + o.generation;
        options.n_sequences = n_;
        options.adapters = loras.adapters.data(), options.n_adapters = loras.n();
        options.cache_type = o.cache_type;
        options.memory = o.memory;
        check_input(within_budget(ql_engine_create(model.get(), device.get(), &options, out(engine_)), o.memory));
        for (int64_t s = 0; s < n_; ++s) adapt(s, s);
    }

    ql_engine * engine() const { return engine_.get(); }
    /// Gives a sequence one adapter, with the scale that --lora says.
    void adapt(int64_t sequence, int64_t adapter) {
        std::vector<float> scales(loras_.scales.size());
        if (scales.empty()) return;
        const size_t own = static_cast<size_t>(adapter) % scales.size();
        scales[own] = loras_.scales[own];
        check_run(ql_engine_set_adapter_scales(engine(), sequence, scales.data(), loras_.n()));
    }
    void read(std::span<const int32_t> tokens) {
        check_interrupt();
        std::vector<ql_sequence_tokens> parts;
        for (int64_t s = 0; s < n_; ++s) parts.push_back({s, tokens.data(), std::ssize(tokens), 1});
        check_run(ql_engine_read(engine(), parts.data(), std::ssize(parts)));
    }
    void end_all() {
        for (int64_t s = 0; s < n_; ++s) check_run(ql_engine_truncate(engine(), s, 0));
    }

  private:
    const ModelOptions::Loras & loras_;
    const int64_t n_;
    EnginePtr engine_;
};

/// Microseconds to give a sequence that has read something another adapter.
std::vector<double> switch_times(Batch & batch, int64_t repeats) {
    std::vector<double> times;
    const int32_t token = 1;
    for (int64_t i = 1; i <= 10 * repeats; ++i) {
        batch.end_all();
        batch.read({&token, 1});
        const double start = ql_os_seconds();
        batch.adapt(0, i);
        times.push_back((ql_os_seconds() - start) * 1e6);
    }
    return times;
}

}  // namespace

std::vector<Figure> bench_batch(const ModelPtr & model, const DevicePtr & device, const ModelOptions::Loras & loras,
                                const InferBench & o, const Limits & limits) {
    const ql_model_info info = ModelOptions::describe(model);
    Batch batch(model, device, loras, o);
    std::vector<int32_t> tokens;
    for (int64_t i = 0; i < o.prompt; ++i) tokens.push_back(static_cast<int32_t>((i * 7919 + 13) % info.n_vocab));
    std::vector<double> prompt_rates, generation_rates;
    double generation_seconds = 0;
    for (int64_t r = 0; r <= o.repeats; ++r) {  // the first one warms up
        batch.end_all();
        const double start = ql_os_seconds();
        batch.read(tokens);
        const double read = ql_os_seconds();
        for (int64_t i = 0; i < o.generation; ++i) batch.read({&tokens[static_cast<size_t>(i % o.prompt)], 1});
        const double end = ql_os_seconds();
        if (r == 0) {
            if (o.profile) check_run(ql_plan_set_profiling(ql_engine_plan(batch.engine(), o.sequences), 1));
            continue;
        }
        generation_seconds += end - read;
        prompt_rates.push_back(static_cast<double>(o.sequences * o.prompt) / (read - start));
        generation_rates.push_back(static_cast<double>(o.sequences * o.generation) / (end - read));
    }
    if (o.profile) {
        Profile generation;
        generation.add(ql_engine_plan(batch.engine(), o.sequences));
        generation.print(o.repeats * o.generation, generation_seconds, limits);
    }
    const std::string shape = std::string(info.base_type) + (loras.n() ? format(" + %d lora", loras.n()) : "") +
                              format(" x %lld", static_cast<long long>(o.sequences));
    std::vector<Figure> figures = {
        figure(format("prompt_%lld", static_cast<long long>(o.prompt)), shape, prompt_rates, "tok/s", 0),
        figure(format("generation_%lld", static_cast<long long>(o.generation)), shape, generation_rates, "tok/s", 0)};
    if (loras.n() > 1) figures.push_back(figure("switch", shape, switch_times(batch, o.repeats), "us", 0));
    return figures;
}

}  // namespace ql::cli
