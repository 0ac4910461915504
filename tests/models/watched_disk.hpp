// The calls that bring this test program's files to the disk, to be seen, spoilt or refused: write() and fsync() of the
// code under test go through watched_disk.cpp.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace ql::test {

class WatchedDisk {
  public:
    /// A file that was synced, and its length then.
    struct Synced {
        ino_t file;
        int64_t size;
    };

    WatchedDisk();  // begins to watch; one watcher at a time
    ~WatchedDisk();
    WatchedDisk(const WatchedDisk &) = delete;
    WatchedDisk & operator=(const WatchedDisk &) = delete;

    /// Flips one bit of the n-th byte written after this call, counted from 0.
    void spoil(uint64_t n);
    /// The disk is full until `room` says that something was deleted.
    void fill_until(std::function<bool()> room);
    /// The files in the order of the calls.
    std::vector<Synced> synced() const;
    static ino_t file(const std::string & path);
};

}  // namespace ql::test
