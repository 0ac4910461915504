// NEFTune: noise on the embeddings in training.                                                      (Jain et al. 2023)
#pragma once
#include <vector>

#include "models/data/batch.hpp"

namespace ql {

/// The amplitude of each token's noise: alpha / sqrt(L n_embd), L the tokens of its sample in this batch; 0 for padding.
std::vector<float> neftune_amplitudes(const MicroBatch & batch, double alpha, int64_t n_embd);

}  // namespace ql
