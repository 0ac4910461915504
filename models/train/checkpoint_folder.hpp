// The folder of a run's checkpoints, DIR/step-00000100.gguf: which files are the run's, which is the newest whole one,
// and which are deleted after a new one. Nothing else in the folder is read, counted or touched: not a copy that
// someone made under another name, a directory, or a link that leads nowhere.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "models/files/new_folders.hpp"
#include "models/train/checkpoint.hpp"
#include "ql/ql.hpp"

namespace ql {

struct CheckpointFile {
    int64_t step;  // by its name
    std::string path;
};

/// The regular files of a folder that are named as checkpoints, by step.
Result<std::vector<CheckpointFile>> list_checkpoints(const std::string & directory);

/// The newest of `files` that is whole and holds the step of its name; an empty path if there is none. *skipped says
/// what was passed over: "step-00000200.gguf: the checksum does not fit; ...".
Result<Checkpoint> newest_checkpoint(const std::vector<CheckpointFile> & files, std::string * skipped);

/// The folder that a run writes to: locked while it is held.
class CheckpointFolder {
  public:
    /// Makes the folder where there is none, and deletes what killed writers left.
    static Result<std::unique_ptr<CheckpointFolder>> open(const std::string & directory);
    /// Removes what open() made, parents included, and that holds nothing: it was never written to, or is not needed any
    /// more.
    ~CheckpointFolder();

    /// Whether open() made the folder.
    bool is_new() const { return !new_folders_.empty(); }
    /// Checkpoints found at the start or saved since, by step. Those of later steps than the run's are not its own.
    const std::vector<CheckpointFile> & files() const { return files_; }
    /// The path of a step's checkpoint if something that cannot be replaced lies there, else "".
    std::string in_the_way(int64_t step) const;
    /// The run goes on after this step: later ones no longer count.
    void go_on_after(int64_t step);
    /// Deletes those later ones: the run makes its own.
    void delete_later();
    /// Deletes all checkpoints.
    Status clear();
    /// Deletes all checkpoints, and in the end the folder if nothing else is in it.
    Status clear_for_good();
    /// Checks that the disk has room to go on: the newest stays while another is written, older ones may be deleted for
    /// it.
    Status check_space(uint64_t bytes_each, int64_t keep) const;
    /// Writes the state's checkpoint safely, then deletes all but the newest `keep`. On a full disk older ones go
    /// first, but never the newest. Returns the path.
    Result<std::string> save(const TrainStep & step, const CheckpointState & state, int64_t keep);

  private:
    explicit CheckpointFolder(const std::string & directory) : directory_(directory), new_folders_(directory) {}
    void delete_oldest();

    std::string directory_;
    NewFolders new_folders_;
    bool goes_ = false;
    LockPtr lock_;
    std::vector<CheckpointFile> files_, later_;
};

/// Whether two paths are one folder, whatever their spelling.
bool is_same_folder(const std::string & a, const std::string & b);

}  // namespace ql
