// What a run takes where its caller leaves the choice: a step's sequences, the epochs, the learning rate. A small set of
// samples must get enough steps, each with a rate that moves; a large one needs neither. docs/hyperparameters.md has the
// rule and what it was measured on.
#pragma once
#include <cstdint>
#include <string>

#include "ql/status.hpp"
#include "ql/train.h"

namespace ql {

struct ChosenOptions {
    ql_train_options options;  // nothing left to be chosen but the batch
    std::string note;          // what was chosen and why, for a person; "" if nothing was
};

inline constexpr int64_t kUsualWidth = 2048;

struct RunSize {
    int64_t n_sequences, n_trained;  // of an epoch; tokens that carry loss
    int64_t width = kUsualWidth;     // of the model's activations
};

/// The checkpoint that a run goes on from; both "": there is none.
struct RunBefore {
    std::string path, fingerprint;
};

/// before       decides, where there is one
/// errors       QL_BAD_FILE: the checkpoint's options, or what is chosen to go with them, are out of range
Result<ChosenOptions> choose_options(const ql_train_options & options, const RunSize & run, const RunBefore & before);

/// Steps of a run over so many a epoch.
int64_t steps_of(const ql_train_options & options, int64_t steps_per_epoch);

/// Fewer steps than this teach a model little.
inline constexpr int64_t kFewSteps = 20;

/// How a run gets more steps, after what its caller asked for and what was chosen.
std::string advice_for_more_steps(const ql_train_options & asked, const ql_train_options & chosen);

}  // namespace ql
