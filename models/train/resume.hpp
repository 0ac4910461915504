// Where a run's checkpoints lie, and the one that it goes on from: found once, before anything is planned.
#pragma once
#include <memory>
#include <string>

#include "models/train/checkpoint_folder.hpp"
#include "ql/train.h"

namespace ql {

struct ResumePoint {
    std::unique_ptr<CheckpointFolder> folder;  // the run's own; null: it leaves no checkpoints
    Checkpoint checkpoint;                     // without a path: the run is a new one
    std::string skipped;                       // newer ones that cannot be used, and why
    bool is_named = false;                     // the checkpoint itself, not the folder of which it is the newest
    bool is_own = false;                       // the checkpoint lies in the run's own folder

    bool is_new_run() const { return checkpoint.path.empty(); }
};

/// Opens the run's own folder, and looks where options.resume says: there, in another run's folder, or at one checkpoint.
/// errors  QL_INVALID_ARGUMENT (no folder to go on in), QL_NOT_FOUND (no checkpoint), QL_BAD_FILE (none that can be used:
///         a new run would bury what is left of them)
Result<ResumePoint> find_resume_point(const ql_train_options & options);

}  // namespace ql
