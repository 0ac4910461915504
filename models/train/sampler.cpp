#include "models/train/sampler.hpp"

#include <algorithm>

namespace ql {

std::vector<PackedSequence> pack_epoch(const std::vector<TokenSample> & samples, const SamplerOptions & options,
                                       int64_t epoch) {
    const auto order = sample_order(static_cast<int64_t>(samples.size()), options.shuffle, options.seed, epoch);
    return pack(samples, order, options.ctx, options.packing);
}

Sampler::Sampler(const std::vector<TokenSample> & samples, const SamplerOptions & options)
    : Sampler(samples, options, pack_epoch(samples, options, 0)) {}

Sampler::Sampler(const std::vector<TokenSample> & samples, const SamplerOptions & options,
                 std::vector<PackedSequence> first)
    : samples_(samples), options_(options), epoch_(0), sequences_(std::move(first)) {
    n_sequences_ = static_cast<int64_t>(sequences_.size());
    steps_per_epoch_ = (n_sequences_ + options_.sequences_per_step - 1) / options_.sequences_per_step;
}

void Sampler::load_epoch(int64_t epoch) {
    if (epoch == epoch_) return;
    sequences_ = pack_epoch(samples_, options_, epoch);
    epoch_ = epoch;
}

std::span<const PackedSequence> Sampler::step(int64_t step) {
    load_epoch(step / steps_per_epoch_);
    const int64_t i = step % steps_per_epoch_, n = static_cast<int64_t>(sequences_.size());
    const int64_t first = n * i / steps_per_epoch_, last = n * (i + 1) / steps_per_epoch_;
    return std::span(sequences_).subspan(static_cast<size_t>(first), static_cast<size_t>(last - first));
}

}  // namespace ql
