// An inference engine: the model's forward graph over a cache of pages, compiled in several widths. Weights and plans are
// held once, whatever the number of sequences; a sequence is some pages of the cache and the tokens that fill them.
//
// A batch is a list of (sequence, tokens, factors of the adapters), read together whatever the factors are: a plan has the
// branches of all adapters, and a token's factors say which count for it, and how much. A sequence's results do not depend
// on the others of a batch, except through the width of the plan and whether all have the same factors: each has kernels
// that add up in an order of their own.
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "models/graph/builder.hpp"
#include "models/infer/applied_adapter.hpp"
#include "models/infer/mixed_adapters.hpp"
#include "models/infer/paged_cache.hpp"
#include "ql/engine.h"
#include "ql/ql.hpp"

namespace ql {

struct EngineOptions {
    int64_t ctx = 0;  // tokens of a sequence
    int64_t n_sequences = 1;
    /// The cache's pages, kPageTokens each; 0: as many as all sequences need together where none shares a page.
    int64_t n_pages = 0;
    ql_dtype cache_type = QL_F16;
    uint64_t memory = 0;  // bytes that the process may take; 0: no limit
    /// Plans of fewer tokens are not made: reads of up to so many tokens all take the plan that so many take, so that
    /// how many there are changes no bit of one's results.
    int64_t least_width = 1;
};

/// Entries of a run's table of pages for a sequence of this many pages: the next sequence's keys begin at a multiple of
/// QL_KEYS_APART, as they do where it is alone, so its bits are the same (ql_attention_paged).
inline int64_t entries_of(int64_t pages) {
    constexpr int64_t kApart = QL_KEYS_APART / kPageTokens;
    static_assert(QL_KEYS_APART % kPageTokens == 0);
    return (pages + kApart - 1) / kApart * kApart;
}

/// Tokens that a sequence goes on with.
struct SequenceTokens {
    int64_t sequence = 0;
    std::span<const int32_t> tokens;
    bool logits = true;  // whether those after the last token are wanted
};

class Engine {
  public:
    /// The adapters are copied, and are not applied until a sequence is given factors. They are branches; those that are more (DoRA, trained norms, rows of tokens) can be `fixed`: all sequences have them, with these factors.
    /// errors  QL_UNSUPPORTED: an adapter that is more
    static Result<std::unique_ptr<Engine>> create(const Model & model, ql_device * device,
                                                  std::span<const Adapter * const> adapters,
                                                  const EngineOptions & options,
                                                  std::span<const AppliedAdapter> fixed = {});

    const Model & model() const { return model_; }
    int64_t ctx() const { return options_.ctx; }
    int64_t n_sequences() const { return options_.n_sequences; }
    int64_t n_adapters() const { return adapters_.n(); }
    int64_t n_pages() const { return cache_.pool().n_pages(); }
    int64_t n_free_pages() const { return cache_.pool().n_free(); }
    /// The tokens of a sequence that are in the cache.
    int64_t position(int64_t sequence) const { return cache_.position(sequence); }
    /// Keeps a sequence's first n tokens (n at most its position); pages after them are free for others.
    void truncate(int64_t sequence, int64_t n);
    /// The factors with which a sequence applies the adapters; 0: not at all, which costs nothing. At first all are 0.
    /// Keys and values are those of the adapters that read them: where factors change, a sequence begins again, empty.
    /// errors  QL_INVALID_ARGUMENT: not one finite factor for each adapter, no such sequence; nothing has changed
    Status set_factors(int64_t sequence, std::span<const float> factors);
    /// The positions of a sequence from which on the adapters act on what it reads next; at first all are 0. What it has
    /// read stays: a caller who wants tokens read again truncates.
    void set_starts(int64_t sequence, std::span<const int64_t> starts);
    std::span<const int64_t> starts(int64_t sequence) const { return states_[static_cast<size_t>(sequence)].starts; }
    std::span<const float> factors(int64_t sequence) const { return states_[static_cast<size_t>(sequence)].factors; }
    /// Makes sequence `to` what `from` is now: they share pages, and a page is copied when either goes on in it.
    void fork(int64_t from, int64_t to);

    /// Reads tokens of one or several sequences, each named once.
    /// errors  QL_INVALID_ARGUMENT: no tokens, a token that the vocabulary does not have, more than the context holds, a
    ///         sequence that is none of the engine's; QL_NO_MEMORY: too few pages are free. Then nothing has
    ///         been read. QL_CANCELLED: `stop`, asked before each run, said so. Where a run fails, and then, position() says
    ///         how far each sequence came.
    Status read(std::span<const SequenceTokens> batch, const std::function<bool()> & stop = {});
    /// The logits of the token after the last that a sequence has read; empty if they were not wanted.
    std::span<const float> logits(int64_t sequence) const { return states_[static_cast<size_t>(sequence)].logits; }

    /// The plan that reads n tokens at once.
    ql_plan * plan(int64_t n) { return width_of(n).plan.get(); }
    /// What all of it takes of memory, and reads.
    ql_inference_info describe() const;

  private:
    /// The graph for streams of one width.
    struct Width {
        int64_t n = 0;
        StreamInputs inputs;
        int64_t n_last = 0;
        ql_tensor * last = nullptr;    // i32 [n_last]: the rows whose logits are wanted
        ql_tensor * logits = nullptr;  // [n_vocab, n_last]
        PlanPtr plan;
    };
    struct State {
        std::vector<float> factors;   // of the adapters
        std::vector<int64_t> starts;  // where each begins
        std::vector<float> logits;
    };
    /// A token on its way through a stream.
    struct StreamToken {
        int64_t sequence = 0;
        int64_t position = 0;
        int32_t id = 0;
        bool wants_logits = false;
    };
    using Stream = std::span<const StreamToken>;
    struct RunInputs;

    Engine(const Model & model, MixedAdapters adapters, const EngineOptions & options);
    Status build(ql_device * device);
    Status plan_all(ql_device * device);
    Status make_plans(ql_device * device, int lanes, uint64_t memory);
    Result<uint64_t> least_memory(ql_device * device, int lanes) const;
    ql_memory_info memory() const;
    void build_cache();
    Width build_width(GraphBuilder & b, int64_t n, const std::string & suffix);
    Status check(const SequenceTokens & part) const;
    Status check(std::span<const SequenceTokens> batch) const;
    Status grow(std::span<const SequenceTokens> batch);
    std::vector<StreamToken> stream_of(std::span<const SequenceTokens> batch);
    size_t count_fitting(Stream tokens) const;
    int64_t enter(int64_t sequence, RunInputs & in) const;
    RunInputs inputs_of(const Width & width, Stream tokens) const;
    std::vector<Stream> next_pieces(Stream tokens);
    Status run(Width & width, std::span<const Stream> pieces);
    Status write_inputs(Width & width, Stream tokens, int lane);
    Status read_logits(const Width & width, Stream tokens, int lane);
    void enter_factors(Stream tokens, std::span<float> factors) const;
    Width & width_of(int64_t n);
    State & state(int64_t sequence) { return states_[static_cast<size_t>(sequence)]; }

    const Model & model_;
    const EngineOptions options_;
    /// One that is applied in every plan with a factor of its own.
    struct FixedAdapter {
        Adapter adapter;
        float factor;
    };
    std::vector<FixedAdapter> fixed_;
    AppliedParts fixed_parts_;
    const MixedAdapters adapters_;
    GraphPtr graph_;
    KvCache leaves_;
    PagedCache cache_;
    std::vector<Width> widths_;   // ascending
    std::vector<State> states_;   // of the sequences
    int64_t lanes_ = 1;           // of the widest plan
    uint64_t adapter_bytes_ = 0;  // of weights that are the adapters'
    uint64_t program_bytes_ = 0;  // of the process, besides the plans
};

}  // namespace ql
