// Copies that are started one by one, between the device and any memory of the host.
//
// The device reads and writes memory of the host only where it is pinned. So bytes for it are put into pinned memory when
// the copy is started; bytes from it land there, and are put where they belong when somebody waits.
#pragma once
#include <deque>

#include "backends/vulkan/recorder.hpp"
#include "backends/vulkan/timeline.hpp"

namespace ql::vulkan {

/// Bytes that are in pinned memory once a piece of work is done.
struct Landing {
    uint64_t after;
    void * to;
    const void * from;
    size_t bytes;
};

class Transfers {
  public:
    Transfers(Memory & memory, Recorder & recorder, Timeline & timeline)
        : memory_(memory), recorder_(recorder), timeline_(timeline) {}
    ~Transfers();
    Transfers(const Transfers &) = delete;
    Transfers & operator=(const Transfers &) = delete;

    Status start(const Copy & copy);
    /// Zeros, and waits for them.
    Status clear(void * data, size_t bytes);

    void add(const Landing & landing) { landings_.push_back(landing); }
    /// Waits for a piece of work, and puts what has landed with it or before it where it belongs.
    Status finish(uint64_t number);
    /// Finishes what has yet to land in these bytes, which are about to be read.
    Status settle(const void * data, size_t bytes);

  private:
    /// Commands of a copy under way, with pinned memory for it.
    struct Slot {
        std::byte * pinned = nullptr;
        VkCommandBuffer commands = VK_NULL_HANDLE;
        uint64_t last = 0;  // the piece of work that used it
    };
    Result<Slot *> next_slot(bool pinned);
    Status start_piece(const Copy & copy);
    Status copy_on_host(const Copy & copy);
    Status submit(Slot & slot);

    Memory & memory_;
    Recorder & recorder_;
    Timeline & timeline_;
    std::deque<Landing> landings_;  // in the order of their work
    Slot slots_[4];
    size_t next_ = 0;
};

}  // namespace ql::vulkan
