// What a run takes where its caller leaves the choice: a step's sequences, the epochs, the learning rate. A small set of
// samples must get enough steps, each with a rate that moves; a large one needs neither. docs/hyperparameters.md has the
// rule and what it was measured on.
#pragma once
#include <cstdint>
#include <string>

#include "ql/train.h"

namespace ql {

struct ChosenOptions {
    ql_train_options options;  // nothing left to be chosen but the batch
    std::string note;          // what was chosen and why, for a person; "" if nothing was
};

/// n_sequences  of an epoch
/// before       the fingerprint of the checkpoint that the run goes on from, which decides; "": there is none
ChosenOptions choose_options(const ql_train_options & options, int64_t n_sequences, const std::string & before);

/// Steps of a run over so many a epoch.
int64_t steps_of(const ql_train_options & options, int64_t steps_per_epoch);

/// Fewer steps than this teach a model little.
inline constexpr int64_t kFewSteps = 20;

}  // namespace ql
