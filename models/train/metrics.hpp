// The metrics file: one JSON object a line, one line a step.
#pragma once
#include <memory>
#include <string>

#include "ql/os.h"
#include "ql/status.hpp"
#include "ql/train.h"

namespace ql {

class MetricsFile {
  public:
    /// Opens for appending after the first `keep_bytes` bytes; what lies behind them (steps after the checkpoint that a
    /// run resumes from) is cut off. An empty path: nothing is written.
    Status open(const std::string & path, int64_t keep_bytes);
    Status write(const ql_train_progress & p);
    /// Brings what was written so far to the disk, where it outlives a power cut, and returns the file's length: a
    /// checkpoint counts on that many bytes, so it is written after them.
    Result<int64_t> sync();

  private:
    struct Close {
        void operator()(ql_os_journal * journal) const { ql_os_journal_close(journal); }
    };
    std::unique_ptr<ql_os_journal, Close> file_;
    std::string path_;
};

}  // namespace ql
