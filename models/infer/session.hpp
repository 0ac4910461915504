// A session: one sequence on an engine of its own, or several side by side, and the tokens that each has read. All have the
// same adapters, of every kind.
#pragma once
#include <memory>
#include <span>
#include <vector>

#include "models/infer/applied_adapter.hpp"
#include "models/infer/engine.hpp"

namespace ql {

class Session {
  public:
    static Result<std::unique_ptr<Session>> create(const Model & model, ql_device * device,
                                                   std::span<const AppliedAdapter> adapters,
                                                   const EngineOptions & options);
    /// Of one sequence.
    static Result<std::unique_ptr<Session>> create(const Model & model, ql_device * device,
                                                   std::span<const AppliedAdapter> adapters, int64_t ctx,
                                                   ql_dtype cache_type = QL_F16, uint64_t memory = 0) {
        return create(model, device, adapters, {.ctx = ctx, .cache_type = cache_type, .memory = memory});
    }

    const Model & model() const { return engine_->model(); }
    int64_t ctx() const { return engine_->ctx(); }
    int64_t position(int64_t sequence = 0) const { return engine_->position(sequence); }
    int64_t n_adapters() const { return static_cast<int64_t>(factors_.size()); }
    std::span<const float> factors() const { return factors_; }
    /// Engine::set_factors: what was read with other factors is forgotten. What is more than a sum keeps its own.
    Status set_factors(std::span<const float> factors);
    /// Keeps the first n tokens of a sequence (n at most its position()).
    void truncate(int64_t n, int64_t sequence = 0) { engine_->truncate(sequence, n); }
    /// Reads tokens; the logits of the token after the last are then in logits(). An activated adapter acts from the last
    /// occurrence of its invocation on, in all that was read and these: where that changes, tokens are read again.
    /// stop: as Engine::read's.
    Status eval(std::span<const int32_t> tokens, const std::function<bool()> & stop = {}) {
        const SequenceTokens batch[] = {{.tokens = tokens}};
        return eval(batch, stop);
    }
    /// Of several sequences, each named once, in one batch (Engine::read).
    Status eval(std::span<const SequenceTokens> batch, const std::function<bool()> & stop = {});
    std::span<const float> logits(int64_t sequence = 0) const { return engine_->logits(sequence); }
    const std::vector<int32_t> & tokens(int64_t sequence = 0) const { return tokens_[static_cast<size_t>(sequence)]; }
    /// The plan that reads n tokens at once.
    ql_plan * plan(int64_t n) { return engine_->plan(n); }
    /// Engine::describe
    ql_inference_info describe() const { return engine_->describe(); }

  private:
    bool is_activated() const;
    bool fits(const SequenceTokens & part) const;
    void place_invocations(int64_t sequence, std::vector<int32_t> & tokens);
    explicit Session(std::unique_ptr<Engine> engine)
        : engine_(std::move(engine)), tokens_(static_cast<size_t>(engine_->n_sequences())) {}

    const std::unique_ptr<Engine> engine_;
    std::vector<std::string> fixed_;                 // what of each adapter is in the plan; "": none of it
    std::vector<float> factors_;                     // of all
    std::vector<std::vector<int32_t>> invocations_;  // of the engine's adapters
    std::vector<std::vector<int32_t>> tokens_;       // read so far, by sequence
};

}  // namespace ql
