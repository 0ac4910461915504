// The calls that bring this test program's files to the disk, seen and spoilt: write() and fsync() of the code under
// test go through watched_disk.cpp.
#pragma once
#include <sys/types.h>

#include <cstdint>
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
    /// In the order of the calls.
    std::vector<Synced> synced() const;
    static ino_t file(const std::string & path);
};

}  // namespace ql::test
