// A session: the model's forward graph over a KV cache, in several widths - one token, and chunks of a prompt.
#pragma once
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "models/adapter/adapter.hpp"
#include "models/base/handles.hpp"
#include "models/graph/builder.hpp"

namespace ql {

/// An adapter as it is applied: with the user's factor.
struct AppliedAdapter {
    const Adapter * adapter;
    float factor = 1.0f;
};

/// Makes leaves of the adapters' matrices (read in place: adapters outlive the graph) and attaches them to a builder.
void attach_adapters(GraphBuilder & b, std::span<const AppliedAdapter> adapters);

class Session {
  public:
    static Result<std::unique_ptr<Session>> create(const Model & model, ql_device * device,
                                                   std::span<const AppliedAdapter> adapters, int64_t ctx,
                                                   ql_dtype cache_type = QL_F16);

    const Model & model() const { return model_; }
    int64_t ctx() const { return ctx_; }
    int64_t position() const { return position_; }
    /// Keeps the first n tokens of the cache (n at most position()).
    void truncate(int64_t n) { position_ = n; }
    /// Reads tokens; the logits of the token after the last are then in logits().
    Status eval(std::span<const int32_t> tokens);
    std::span<const float> logits() const { return logits_; }
    const std::vector<int32_t> & tokens() const { return tokens_; }
    /// What reads n tokens at once.
    ql_plan * plan(int64_t n) { return width_of(n).plan.get(); }

  private:
    /// The graph for streams of one width.
    struct Width {
        int64_t n = 0;
        StreamInputs inputs;
        ql_tensor * last = nullptr;    // i32 [1]: the row whose logits are wanted
        ql_tensor * logits = nullptr;  // [n_vocab, 1]
        PlanPtr plan;
    };

    Session(const Model & model, int64_t ctx) : model_(model), ctx_(ctx) {}
    Status build(ql_device * device, std::span<const AppliedAdapter> adapters, ql_dtype cache_type);
    Width & width_of(int64_t n);
    Status run(Width & width, std::span<const int32_t> tokens);

    const Model & model_;
    const int64_t ctx_;
    std::vector<Adapter> adapters_;
    GraphPtr graph_;
    KvCache cache_;
    std::vector<Width> widths_;  // ascending
    int64_t position_ = 0;
    std::vector<int32_t> tokens_;  // read so far
    std::vector<float> logits_;
};

}  // namespace ql
