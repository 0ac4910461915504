// The memory of emulated cards: one range of addresses that the host can touch only while the emulation works in it, so
// that a device's address in the host's hands is a fault at the very place.
#pragma once
#include <cstddef>
#include <map>

#include "backends/cuda/emu/shadow.hpp"

namespace ql::cuda::emu {

class Memory {
  public:
    Memory();
    ~Memory();
    Memory(const Memory &) = delete;
    Memory & operator=(const Memory &) = delete;

    /// Bytes that hold 0xa5, at a multiple of 256; null: there are none left.
    void * allocate(size_t bytes);
    /// False: that is no address of an allocation.
    bool release(void * address);

    bool has(const void * address) const { return offset(address) < kReserved; }
    /// Whether an allocation holds all of the bytes.
    bool holds(const void * address, size_t bytes);
    /// Of a byte of an allocation; null where there was no memory for shadows.
    Shadow * shadow(const void * address) const { return shadows_ ? shadows_ + offset(address) : nullptr; }
    size_t used() const { return used_; }

    /// The memory is open to the process for as long as one of these exists.
    class Opened {
      public:
        explicit Opened(Memory & memory) : memory_(memory) {
            if (memory_.open_++ == 0) memory_.set_open(true);
        }
        ~Opened() {
            if (--memory_.open_ == 0) memory_.set_open(false);
        }
        Opened(const Opened &) = delete;
        Opened & operator=(const Opened &) = delete;

      private:
        Memory & memory_;
    };

  private:
    static constexpr size_t kReserved = size_t{8} << 30;
    size_t offset(const void * address) const {
        return reinterpret_cast<uintptr_t>(address) - reinterpret_cast<uintptr_t>(base_);
    }
    void set_open(bool open);

    struct Piece {
        size_t size;  // with the gap behind it
        size_t bytes;
    };
    std::byte * base_ = nullptr;
    Shadow * shadows_ = nullptr;
    std::map<size_t, Piece> pieces_;      // by offset
    std::multimap<size_t, size_t> free_;  // size to offset
    size_t end_ = 0, used_ = 0;           // of what was ever handed out; bytes handed out now
    int open_ = 0;
    size_t last_begin_ = 0, last_end_ = 0;  // of the allocation that was found last
};

}  // namespace ql::cuda::emu
