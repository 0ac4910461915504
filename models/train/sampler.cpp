#include "models/train/sampler.hpp"

#include <algorithm>

namespace ql {

Sampler::Sampler(const std::vector<TokenSample> & samples, const SamplerOptions & options)
    : samples_(samples), options_(options) {
    load_epoch(0);
    n_sequences_ = static_cast<int64_t>(sequences_.size());
    steps_per_epoch_ = (n_sequences_ + options_.sequences_per_step - 1) / options_.sequences_per_step;
}

void Sampler::load_epoch(int64_t epoch) {
    if (epoch == epoch_) return;
    const auto order = sample_order(static_cast<int64_t>(samples_.size()), options_.shuffle, options_.seed, epoch);
    sequences_ = pack(samples_, order, options_.ctx, options_.packing);
    epoch_ = epoch;
}

std::span<const PackedSequence> Sampler::step(int64_t step) {
    load_epoch(step / steps_per_epoch_);
    const int64_t i = step % steps_per_epoch_, n = static_cast<int64_t>(sequences_.size());
    const int64_t first = n * i / steps_per_epoch_, last = n * (i + 1) / steps_per_epoch_;
    return std::span(sequences_).subspan(static_cast<size_t>(first), static_cast<size_t>(last - first));
}

}  // namespace ql
