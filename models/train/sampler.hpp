// Which sequences a step trains on: a function of (seed, epoch, step) alone, so that a resumed run goes on exactly.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "models/data/pack.hpp"

namespace ql {

struct SamplerOptions {
    int64_t ctx = 512;
    int64_t sequences_per_step = 8;
    bool packing = true, shuffle = true;
    uint64_t seed = 42;
};

/// The sequences of an epoch, whatever a step takes of them.
std::vector<PackedSequence> pack_epoch(const std::vector<TokenSample> & samples, const SamplerOptions & options,
                                       int64_t epoch);

class Sampler {
  public:
    Sampler(const std::vector<TokenSample> & samples, const SamplerOptions & options);
    /// `first` is what pack_epoch gave for epoch 0.
    Sampler(const std::vector<TokenSample> & samples, const SamplerOptions & options,
            std::vector<PackedSequence> first);

    /// Steps of every epoch. Packing may need a sequence more or less under another order: an epoch's sequences are
    /// spread evenly over the first epoch's number of steps, so a step has `sequences_per_step`, at times one more or
    /// fewer.
    int64_t steps_per_epoch() const { return steps_per_epoch_; }
    int64_t n_sequences() const { return n_sequences_; }
    /// The sequences of the current epoch, initially the first.
    std::span<const PackedSequence> sequences() const { return sequences_; }
    /// The sequences of a step of the whole run (0 is the first). Valid until the next call.
    std::span<const PackedSequence> step(int64_t step);

  private:
    void load_epoch(int64_t epoch);

    const std::vector<TokenSample> & samples_;
    const SamplerOptions options_;
    int64_t steps_per_epoch_ = 0, n_sequences_ = 0;
    int64_t epoch_ = 0;
    std::vector<PackedSequence> sequences_;
};

}  // namespace ql
