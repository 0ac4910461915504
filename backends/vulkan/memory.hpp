// A device's memory. A piece has an address in this process that nothing else has: that of its mapping, if the host can
// see it, else a name, which is address space that is reserved and never touched. Shaders get the device's own address.
#pragma once
#include <map>
#include <mutex>
#include <optional>

#include "backends/vulkan/limits.hpp"
#include "backends/vulkan/settings.hpp"
#include "ggml/backend/queue.hpp"
#include "ggml/core/os/os.hpp"

namespace ql::vulkan {

/// Where bytes are: for copies, and for shaders.
struct Place {
    VkBuffer buffer = VK_NULL_HANDLE;
    VkDeviceSize offset = 0;
    VkDeviceAddress address = 0;
};

class Memory {
  public:
    /// budget   bytes of the device's own memory that are taken at most; 0: no limit
    Memory(VkDevice device, const Examined & examined, Settings & settings, size_t budget)
        : device_(device), examined_(examined), settings_(settings), budget_(budget) {}
    ~Memory();
    Memory(const Memory &) = delete;
    Memory & operator=(const Memory &) = delete;

    /// Not zeroed, where it is the device's. errors   QL_NO_MEMORY
    Result<void *> allocate(MemoryKind kind, size_t bytes);
    void release(void * address);

    /// errors   QL_INTERNAL: these bytes are not the device's
    Result<Place> find(const void * address, size_t bytes) const;

  private:
    struct Piece {
        VkBuffer buffer = VK_NULL_HANDLE;
        VkDeviceMemory memory = VK_NULL_HANDLE;
        VkDeviceAddress address = 0;
        size_t bytes = 0;
        std::optional<os::SparsePages> name;  // of memory that the host cannot see
    };
    Status take(size_t bytes);
    void give_back(size_t bytes);
    Status make(Piece & piece, MemoryKind kind);
    Status map(Piece & piece, MemoryKind kind, void *& address) const;
    void destroy(const Piece & piece) const;

    const VkDevice device_;
    const Examined & examined_;
    Settings & settings_;
    const size_t budget_;
    size_t taken_ = 0;  // of it
    mutable std::mutex mutex_;
    std::map<const std::byte *, Piece> pieces_;
};

}  // namespace ql::vulkan
