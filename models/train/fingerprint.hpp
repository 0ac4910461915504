// What must be the same when a run goes on from a checkpoint, as a line of "key=value;" pairs, so that a difference
// can be named to the user.
#pragma once
#include <string>

#include "models/adapter/adapter.hpp"
#include "models/data/dataset.hpp"
#include "models/model/model.hpp"
#include "ql/train.h"

namespace ql {

struct FingerprintSource {
    const ql_train_options & options;
    int64_t ctx, n_steps;  // as they were decided
    const Model & model;
    const Adapter & adapter;
    const Dataset & data;
    const Dataset * eval;  // null: none
    ql_device * device;
};

/// The part of it that an adapter keeps: "ctx=512;batch=1;lr=0.0002;...", without hashes and device.
std::string run_options(const ql_train_options & options, int64_t ctx, int64_t n_steps, const Dataset & data);

std::string run_fingerprint(const FingerprintSource & run);

/// A number that a fingerprint tells: "batch", "lr"; 0: it tells none.
int64_t whole_in(const std::string & fingerprint, const std::string & key);
double real_in(const std::string & fingerprint, const std::string & key);
/// The fingerprint of the same run with another number of steps.
std::string with_steps(const std::string & fingerprint, int64_t n_steps);

/// The same run with the patience of another one, where that has more or none: no step before the end is another one.
std::string with_patience_of(const std::string & fingerprint, const std::string & other);

/// A run that evaluates on nothing, with the evaluation data of another one: its best loss so far stays one over that.
std::string with_evaluations_of(const std::string & fingerprint, const std::string & other);

/// Whether losses of two runs' evaluations may be compared: false where both name their data, and not the same.
bool is_evaluated_alike(const std::string & a, const std::string & b);

/// errors  QL_INVALID_ARGUMENT: names the first pair of `now` that differs in `then`, the fingerprint in the checkpoint
///         at `path`, and the way out
Status compare_fingerprints(const std::string & path, const std::string & then, const std::string & now);

}  // namespace ql
