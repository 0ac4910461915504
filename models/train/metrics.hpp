// The metrics file: one JSON object a line, one line a step. It belongs to one run at a time. A resumed run appends
// only to its own lines: a file that holds anything else is left as it is.
#pragma once
#include <string>

#include "ql/ql.hpp"
#include "ql/train.h"

namespace ql {

/// Where a run begins, so that its lines can be told from others'.
struct MetricsStart {
    int64_t step = 0;        // the run goes on after this step
    int64_t bytes = 0;       // length of the metrics file at that step
    bool resume = false;     // an earlier part of the run may have written lines, whether or not it left a checkpoint
    bool overwrite = false;  // whatever the file holds may go
    int64_t reach = 0;       // a run killed before its next checkpoint wrote no line of a later step
};

class MetricsFile {
  public:
    /// Locks the file and decides which part of it stays; changes nothing yet. An empty path: nothing will be written.
    /// errors  QL_INVALID_ARGUMENT (in use; holds lines that are not this run's)
    Status open(const std::string & path, const MetricsStart & start);
    /// Cuts off what follows the run's start. To be called at the first step.
    Status begin();
    Status write(const ql_train_progress & p);
    /// Brings what was written so far to the disk, where it survives a power cut, and returns the file's length: a
    /// checkpoint relies on that many bytes, so it is written after them.
    Result<int64_t> sync();

  private:
    std::string path_;
    LockPtr lock_;  // outlives the open file: an empty one goes with it
    JournalPtr file_;
    int64_t kept_bytes_ = 0;
};

}  // namespace ql
