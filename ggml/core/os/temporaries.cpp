#include "ggml/core/os/temporaries.hpp"

#include <unistd.h>

#include <mutex>

namespace ql::os {
namespace {

std::atomic<TemporaryRecord *> records{nullptr};
std::mutex records_lock;  // of those who add
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<TemporaryRecord *>::is_always_lock_free);

}  // namespace

TemporaryRecord * note_temporary(const std::string & name, const std::string & staged) {
    const std::lock_guard<std::mutex> held(records_lock);
    TemporaryRecord * record = records.load();
    while (record && record->used.load()) record = record->next;
    if (!record) {
        record = new TemporaryRecord;
        record->next = records.load();
        records.store(record);
    }
    record->name = name;
    record->staged = staged;
    record->used.store(true);
    return record;
}

void forget_temporary(TemporaryRecord * record) {
    if (record) record->used.store(false);
}

void remove_temporaries() {
    for (const TemporaryRecord * record = records.load(); record; record = record->next) {
        if (!record->used.load()) continue;
        ::unlink(record->name.c_str());
        ::unlink(record->staged.c_str());
    }
}

}  // namespace ql::os
