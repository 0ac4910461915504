// An inference engine: the model's forward graph over a KV cache, compiled in several widths. Weights and plans are
// held once, whatever the number of sequences; a sequence is a part of the cache's rows and how many of them it has
// filled.
#pragma once
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "models/base/handles.hpp"
#include "models/graph/builder.hpp"
#include "models/infer/applied_adapter.hpp"

namespace ql {

struct EngineOptions {
    int64_t ctx = 0;  // tokens of a sequence
    int64_t n_sequences = 1;
    ql_dtype cache_type = QL_F16;
};

/// Tokens that a sequence goes on with.
struct SequenceTokens {
    int64_t sequence = 0;
    std::span<const int32_t> tokens;
};

class Engine {
  public:
    /// The adapters are copied, and applied to every sequence.
    static Result<std::unique_ptr<Engine>> create(const Model & model, ql_device * device,
                                                  std::span<const AppliedAdapter> adapters,
                                                  const EngineOptions & options);

    const Model & model() const { return model_; }
    int64_t ctx() const { return options_.ctx; }
    int64_t n_sequences() const { return options_.n_sequences; }
    /// The tokens of a sequence that are in the cache.
    int64_t position(int64_t sequence) const { return state(sequence).position; }
    /// Keeps a sequence's first n tokens (n at most its position).
    void truncate(int64_t sequence, int64_t n) { states_[static_cast<size_t>(sequence)].position = n; }

    /// Reads tokens of one or several sequences, each named once; sequences read together share a run of the plan.
    /// errors  QL_INVALID_ARGUMENT: no tokens, a token that the vocabulary does not have, more than the context holds.
    ///         Then nothing has been read.
    Status read(std::span<const SequenceTokens> batch);
    /// Of the token after the last that was read of a sequence.
    std::span<const float> logits(int64_t sequence) const { return state(sequence).logits; }

    /// What reads n tokens at once.
    ql_plan * plan(int64_t n) { return width_of(n).plan.get(); }

  private:
    /// The graph for streams of one width.
    struct Width {
        int64_t n = 0;
        StreamInputs inputs;
        ql_tensor * last = nullptr;    // i32 [n_sequences]: the rows whose logits are wanted
        ql_tensor * logits = nullptr;  // [n_vocab, n_sequences]
        PlanPtr plan;
    };
    struct State {
        int64_t position = 0;
        std::vector<float> logits;
    };
    /// A token on its way through a stream.
    struct StreamToken {
        int64_t sequence = 0;
        int64_t position = 0;
        int32_t id = 0;
        bool is_last = false;  // of those that are read of its sequence
    };

    Engine(const Model & model, const EngineOptions & options) : model_(model), options_(options) {}
    Status build(ql_device * device, std::span<const AppliedAdapter> adapters);
    void build_cache();
    void build_width(GraphBuilder & b, int64_t n);
    Status check(std::span<const SequenceTokens> batch) const;
    Status run(Width & width, std::span<const StreamToken> tokens);
    Status read_logits(const Width & width, std::span<const StreamToken> tokens);
    Width & width_of(int64_t n);
    const State & state(int64_t sequence) const { return states_[static_cast<size_t>(sequence)]; }

    const Model & model_;
    const EngineOptions options_;
    std::vector<Adapter> adapters_;
    GraphPtr graph_;
    KvCache cache_;
    std::vector<Width> widths_;  // ascending
    std::vector<State> states_;  // of the sequences
};

}  // namespace ql
