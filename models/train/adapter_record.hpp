// What a checkpoint says of its adapter beside the values that are trained: with both, the adapter of a run can be used
// after any stop. One JSON object in the checkpoint's keys; the values are the checkpoint's tensors.
#pragma once
#include <string>

#include "models/adapter/adapter.hpp"
#include "models/train/checkpoint.hpp"

namespace ql {

/// Everything of an adapter but its values.
std::string adapter_record(const Adapter & adapter);

/// The adapter as it was when the checkpoint was written: what ql_trainer_run would have left, had it ended there.
/// model   null: whether it fits is not checked
/// errors  QL_BAD_FILE (the record and the tensors do not fit each other or the model), QL_INVALID_ARGUMENT (MiSS without
///         a model, which says how wide its sums are)
Result<Adapter> adapter_of(const Checkpoint & checkpoint, const Model * model, BaseRule rule);

/// Whether a path is a checkpoint, or a folder of checkpoints that is no PEFT directory.
bool holds_checkpoint(const std::string & path);
/// The adapter of a checkpoint, or of the newest whole one in a folder; a note says which.
Result<Adapter> load_checkpoint_adapter(const std::string & path, const Model * model, BaseRule rule);

}  // namespace ql
