// Memory of a device that the host cannot touch. An address lies in pages without any access rights; the bytes are
// elsewhere, and only the device knows where.
#pragma once
#include <cstddef>
#include <map>
#include <mutex>

#include "ql/status.hpp"

namespace ql::apart {

class Memory {
  public:
    Memory() = default;
    ~Memory();
    Memory(const Memory &) = delete;
    Memory & operator=(const Memory &) = delete;

    /// Zeros, with a closed page before and behind them. Returns their address, which is the device's.
    Result<void *> allocate(size_t bytes);
    void release(void * address);
    /// Where the bytes at an address are. errors: QL_INTERNAL if they are not in one allocation of this device
    Result<std::byte *> find(const void * address, size_t bytes, const char * what) const;

  private:
    struct Block {
        size_t size;  // whole pages
        std::byte * bytes;
    };
    static void unmap(std::byte * address, const Block & block);

    mutable std::mutex mutex_;
    std::map<std::byte *, Block> blocks_;  // by address
};

}  // namespace ql::apart
