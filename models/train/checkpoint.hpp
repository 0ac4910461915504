// Checkpoints: one GGUF file (general.type "ql-checkpoint") that holds all a run needs to go on bit for bit:
// parameters, moments, the step, and what must be the same again - options, data, model, numeric path. Random numbers
// are functions of (seed, step), so no generator state exists.
#pragma once
#include <string>
#include <vector>

#include "models/train/step.hpp"

namespace ql {

inline constexpr int kCheckpointVersion = 1;

struct CheckpointState {
    int64_t step = 0;  // steps done
    int64_t skipped = 0, skipped_in_row = 0;
    double loss_first = 0, loss_last = 0;
    double best_eval = 0;
    bool has_best = false;
    int64_t total_tokens = 0;
    int64_t metrics_bytes = 0;  // length of the metrics file
    std::string fingerprint;    // "lr=0.0002;batch=1;...": a difference is named when a resume is refused
};

/// Deletes the unfinished files of killed writers. Only for the holder of the directory's lock.
void remove_unfinished(const std::string & directory);

/// Writes DIR/step-00000100.gguf safely, then deletes all but the newest `keep`. *path gets its name.
Status save_checkpoint(const std::string & directory, int64_t keep, const TrainStep & step,
                       const CheckpointState & state, std::string * path);

/// The newest checkpoint of a directory, "" if there is none. A file that is cut or broken is passed over; *skipped
/// then says so ("step-00000200.gguf is broken: ...").
Result<std::string> newest_checkpoint(const std::string & directory, std::string * skipped);

/// Loads parameters and moments. errors  QL_BAD_FILE (broken, checksum), QL_INVALID_ARGUMENT (names the option, model,
/// data or numeric path that differs, with both values)
Status load_checkpoint(const std::string & path, const TrainStep & step, const std::string & fingerprint,
                       CheckpointState & state);

}  // namespace ql
