// Checkpoints: one GGUF file (general.type "ql-checkpoint") that holds all that a run needs to go on bit for bit:
// parameters, moments, the step, and what must be the same again (options, data, model, numeric path); and what makes
// an adapter of the parameters. Random numbers
// are functions of (seed, step), so there is no generator state. checkpoint_folder.hpp has the folder of a run's
// checkpoints.
#pragma once
#include <string>
#include <vector>

#include "models/train/loss_scale.hpp"
#include "models/train/step.hpp"
#include "ql/ql.hpp"

namespace ql {

/// 3: with the adapter's record, and the values of it that are not trained.
inline constexpr int kCheckpointVersion = 3;
/// A checkpoint of an unfinished step: the same, and what that step has to say. Programs that know none refuse it by its
/// version.
inline constexpr int kUnfinishedVersion = 4;

/// A step that is done but for its evaluation, which was stopped: what its line of the metrics has to say.
struct UnfinishedStep {
    bool is = false;
    int64_t tokens = 0;
    double loss = 0, lr = 0, grad_norm = 0, tok_s = 0, loss_scale = 0;
};

struct CheckpointState {
    int64_t step = 0;  // steps done
    int64_t skipped = 0, skipped_in_row = 0;
    double loss_first = 0, loss_last = 0;
    double best_eval = 0;
    bool has_best = false;
    int64_t total_tokens = 0;
    int64_t schedule_start = 0, schedule_steps = 0;  // the schedule began after that step, over so many
    int64_t evals_in_vain = 0;                       // evaluations since the best one
    bool ended = false;                              // early: the run is over before its last step
    int64_t metrics_bytes = 0;                       // length of the metrics file
    LossScale loss_scale;                            // of the next step
    UnfinishedStep unfinished;                       // the last one, where the run goes on in its evaluation
    std::string adapter;                             // adapter_record.hpp
    std::string fingerprint;  // "lr=0.0002;batch=1;...": a difference is named when a resume is refused
};

/// A checkpoint that was found whole and sound.
struct Checkpoint {
    std::string path;
    CheckpointState state;
    GgufPtr file;
};

/// Whether its run was over then.
bool has_ended(const CheckpointState & state);

/// Whether a run of so many steps goes on where another one that was over had fewer.
bool is_extended(const CheckpointState & state, int64_t n_steps);

/// Bytes of a step's checkpoint on the disk, rounded up. The state's record of the adapter may hold a long chat template.
uint64_t checkpoint_bytes(const TrainStep & step, const CheckpointState & state);

Status write_checkpoint(const std::string & path, const TrainStep & step, const CheckpointState & state);

/// Opens a checkpoint and proves it whole: type, version, checksum over all that is read of it, ranges.
/// errors  QL_BAD_FILE (damaged, or no checkpoint), QL_UNSUPPORTED (another version), QL_IO
Result<Checkpoint> open_checkpoint(const std::string & path);

/// Loads parameters and moments. The run is described by its fingerprint and its number of steps, of which it may have more
/// than a checkpoint whose run has ended.
/// errors  QL_INVALID_ARGUMENT (names the option, model, data or numeric path that differs, with both values),
///         QL_BAD_FILE (tensors or a step that such a run cannot have)
Status load_checkpoint(const Checkpoint & checkpoint, const TrainStep & step, const std::string & fingerprint,
                       int64_t n_steps);

}  // namespace ql
