// Memory of a device that the host cannot touch: pages without any rights but while the device works on them.
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

    /// Zeros, with a page before and behind that stays closed.
    Result<void *> allocate(size_t bytes);
    void release(void * data);
    /// Whether all the bytes lie in one allocation.
    bool owns(const void * data, size_t bytes) const;

    /// While one of these lives the pages are open.
    class Open {
      public:
        explicit Open(Memory & memory) : memory_(memory) { memory_.open(); }
        ~Open() { memory_.close(); }
        Open(const Open &) = delete;
        Open & operator=(const Open &) = delete;

      private:
        Memory & memory_;
    };

  private:
    void open();
    void close();
    void set_rights(int rights);

    mutable std::mutex mutex_;
    std::map<const std::byte *, size_t> blocks_;  // start -> bytes, whole pages
    int users_ = 0;                               // of Open
};

}  // namespace ql::apart
