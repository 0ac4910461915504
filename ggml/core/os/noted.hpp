// What a signal handler may have to know, noted by the threads for as long as it is true: which file is mapped where,
// which temporaries are being written.
#pragma once
#include <atomic>
#include <mutex>

namespace ql::os {

/// A list of T whose records are reused and never freed, so that a handler may walk it whatever the threads do. T
/// changes only while its record is unused.
template <typename T>
class Noted {
  public:
    struct Record {
        std::atomic<bool> used{false};
        T what{};
        Record * next = nullptr;
    };

    Record * note(T what) {
        const std::lock_guard<std::mutex> held(adding_);
        Record * record = first_.load();
        while (record && record->used.load()) record = record->next;
        if (!record) {
            record = new Record;
            record->next = first_.load();
            first_.store(record);
        }
        record->what = std::move(what);
        record->used.store(true);
        return record;
    }
    /// Does nothing for null.
    static void forget(Record * record) {
        if (record) record->used.store(false);
    }
    /// The first record in use for which `wanted` is true, or null. Async-signal-safe where `wanted` is.
    template <typename Wanted>
    const T * find(Wanted && wanted) const {
        for (const Record * record = first_.load(); record; record = record->next)
            if (record->used.load() && wanted(record->what)) return &record->what;
        return nullptr;
    }

  private:
    static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<Record *>::is_always_lock_free);
    std::atomic<Record *> first_{nullptr};
    std::mutex adding_;
};

}  // namespace ql::os
