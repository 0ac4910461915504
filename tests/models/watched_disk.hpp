// The calls that bring this test program's files to the disk, seen, spoilt and refused: write() and fsync() of the code
// under test go through watched_disk.cpp.
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

    WatchedDisk();  // begins to watch; one at a time
    ~WatchedDisk();
    WatchedDisk(const WatchedDisk &) = delete;
    WatchedDisk & operator=(const WatchedDisk &) = delete;

    /// One bit of the n-th byte written from now on is turned over on its way, n from 0.
    void spoil(uint64_t n);
    /// The disk is full until `room` says that something was deleted.
    void fill_until(std::function<bool()> room);
    /// In the order of the calls.
    std::vector<Synced> synced() const;
    static ino_t file(const std::string & path);
};

}  // namespace ql::test
