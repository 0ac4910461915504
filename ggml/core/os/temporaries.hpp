// Names of temporary files that are being written, for a handler of signals that ends the process.
#pragma once
#include <atomic>
#include <string>

namespace ql::os {

/// Records are used again and never freed, so that the handler may walk the list whatever the other threads do.
struct TemporaryRecord {
    std::atomic<bool> used{false};
    std::string name, staged;  // change only while it is unused
    TemporaryRecord * next = nullptr;
};

TemporaryRecord * note_temporary(const std::string & name, const std::string & staged);
/// It is gone or has its own name now. Null is nothing.
void forget_temporary(TemporaryRecord * record);
/// Deletes all that are noted. Async-signal-safe.
void remove_temporaries();

}  // namespace ql::os
