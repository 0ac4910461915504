// A session: one sequence on an engine of its own, and the tokens that it has read.
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
                                                   std::span<const AppliedAdapter> adapters, int64_t ctx,
                                                   ql_dtype cache_type = QL_F16, uint64_t memory = 0);

    const Model & model() const { return engine_->model(); }
    int64_t ctx() const { return engine_->ctx(); }
    int64_t position() const { return engine_->position(0); }
    int64_t n_adapters() const { return static_cast<int64_t>(factors_.size()); }
    std::span<const float> factors() const { return factors_; }
    /// Engine::set_factors: what was read with other factors is forgotten. What is more than a sum keeps its own.
    Status set_factors(std::span<const float> factors);
    /// Keeps the first n tokens of the cache (n at most position()).
    void truncate(int64_t n) { engine_->truncate(0, n); }
    /// Reads tokens; the logits of the token after the last are then in logits(). An activated adapter acts from the last
    /// occurrence of its invocation on, in all that was read and these: where that changes, tokens are read again.
    /// stop: as Engine::read's.
    Status eval(std::span<const int32_t> tokens, const std::function<bool()> & stop = {});
    std::span<const float> logits() const { return engine_->logits(0); }
    const std::vector<int32_t> & tokens() const { return tokens_; }
    /// The plan that reads n tokens at once.
    ql_plan * plan(int64_t n) { return engine_->plan(n); }
    /// Engine::describe
    ql_inference_info describe() const { return engine_->describe(); }

  private:
    void place_invocations(std::vector<int32_t> & tokens);
    explicit Session(std::unique_ptr<Engine> engine) : engine_(std::move(engine)) {}

    const std::unique_ptr<Engine> engine_;
    std::vector<std::string> fixed_;                 // what of each adapter is in the plan; "": none of it
    std::vector<float> factors_;                     // of all
    std::vector<std::vector<int32_t>> invocations_;  // of the engine's adapters
    std::vector<int32_t> tokens_;                    // read so far
};

}  // namespace ql
