#include "backends/vulkan/memory.hpp"

#include <algorithm>

namespace ql::vulkan {
namespace {

/// The first type that has what is asked for; -1: none. The driver lists the faster ones first.
int find_type(const VkPhysicalDeviceMemoryProperties & memory, uint32_t allowed, VkMemoryPropertyFlags wanted) {
    for (uint32_t i = 0; i < memory.memoryTypeCount; ++i)
        if ((allowed >> i & 1) && (memory.memoryTypes[i].propertyFlags & wanted) == wanted) return static_cast<int>(i);
    return -1;
}

/// The device's own memory is asked for by its type: a driver left to choose may give the host's, which is slower.
int choose_type(const VkPhysicalDeviceMemoryProperties & memory, uint32_t allowed, MemoryKind kind) {
    if (kind == MemoryKind::device) return find_type(memory, allowed, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT);
    const VkMemoryPropertyFlags seen = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    const int cached = find_type(memory, allowed, seen | VK_MEMORY_PROPERTY_HOST_CACHED_BIT);
    return cached >= 0 ? cached : find_type(memory, allowed, seen);
}

}  // namespace

Memory::~Memory() {
    for (const auto & [address, piece] : pieces_) destroy(piece);
}

void Memory::destroy(const Piece & piece) const {
    vkDestroyBuffer(device_, piece.buffer, nullptr);
    vkFreeMemory(device_, piece.memory, nullptr);  // unmaps it, too
}

Status Memory::make(Piece & piece, MemoryKind kind) {
    const VkBufferCreateInfo buffer = {.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
                                       .size = piece.bytes,
                                       .usage = VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT |
                                                VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT |
                                                VK_BUFFER_USAGE_STORAGE_BUFFER_BIT};
    QL_TRY(check(vkCreateBuffer(device_, &buffer, nullptr, &piece.buffer), "vkCreateBuffer"));
    VkMemoryRequirements needs;
    vkGetBufferMemoryRequirements(device_, piece.buffer, &needs);
    const int type = choose_type(examined_.memory, needs.memoryTypeBits, kind);
    if (type < 0) return error(QL_UNSUPPORTED, "vulkan: %s has no memory of the kind", examined_.name().c_str());
    const VkMemoryAllocateFlagsInfo flags = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO,
                                             .flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT};
    const VkMemoryAllocateInfo memory = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
                                         .pNext = &flags,
                                         .allocationSize = needs.size,
                                         .memoryTypeIndex = static_cast<uint32_t>(type)};
    const VkResult result = settings_.alloc.now() ? VK_ERROR_OUT_OF_DEVICE_MEMORY
                                                  : vkAllocateMemory(device_, &memory, nullptr, &piece.memory);
    if (const Status made = check(result, "vkAllocateMemory"); !made.ok())
        return error(made.code(), "%s, for %zu bytes", made.message().c_str(), piece.bytes);
    QL_TRY(check(vkBindBufferMemory(device_, piece.buffer, piece.memory, 0), "vkBindBufferMemory"));
    const VkBufferDeviceAddressInfo info = {.sType = VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO,
                                            .buffer = piece.buffer};
    piece.address = vkGetBufferDeviceAddress(device_, &info);
    return {};
}

Status Memory::map(Piece & piece, MemoryKind kind, void *& address) const {
    if (kind == MemoryKind::pinned)
        return check(vkMapMemory(device_, piece.memory, 0, VK_WHOLE_SIZE, 0, &address), "vkMapMemory");
    QL_ASSIGN(os::SparsePages name, os::SparsePages::reserve(piece.bytes));
    piece.name.emplace(std::move(name));
    address = piece.name->data();
    return {};
}

/// Sets bytes of the budget aside.
Status Memory::take(size_t bytes) {
    const std::lock_guard lock(mutex_);
    if (budget_ > 0 && bytes > budget_ - taken_)
        return error(QL_NO_MEMORY, "vulkan: %zu of the budget's %zu bytes are taken, and %zu more are needed", taken_,
                     budget_, bytes);
    taken_ += bytes;
    return {};
}

void Memory::give_back(size_t bytes) {
    const std::lock_guard lock(mutex_);
    taken_ -= bytes;
}

Result<void *> Memory::allocate(MemoryKind kind, size_t bytes) {
    if (bytes > examined_.largest_allocation)
        return error(QL_NO_MEMORY, "vulkan: %s gives at most %llu bytes in a piece; %zu are needed",
                     examined_.name().c_str(), static_cast<unsigned long long>(examined_.largest_allocation), bytes);
    Piece piece;
    piece.bytes = (std::max<size_t>(bytes, 1) + 3) / 4 * 4;  // it is filled by words
    const size_t taken = kind == MemoryKind::device ? piece.bytes : 0;
    QL_TRY(take(taken));
    void * address = nullptr;
    Status made = make(piece, kind);
    if (made.ok()) made = map(piece, kind, address);
    if (!made.ok()) {
        destroy(piece);
        give_back(taken);
        return made;
    }
    const std::lock_guard lock(mutex_);
    pieces_.emplace(static_cast<const std::byte *>(address), std::move(piece));
    return address;
}

void Memory::release(void * address) {
    const std::lock_guard lock(mutex_);
    const auto it = pieces_.find(static_cast<const std::byte *>(address));
    if (it == pieces_.end()) return;
    destroy(it->second);
    if (it->second.name) taken_ -= it->second.bytes;
    pieces_.erase(it);
}

Result<Place> Memory::find(const void * address, size_t bytes) const {
    const std::lock_guard lock(mutex_);
    const auto * at = static_cast<const std::byte *>(address);
    auto it = pieces_.upper_bound(at);
    if (it != pieces_.begin()) {
        const auto & [begin, piece] = *--it;
        const auto offset = static_cast<size_t>(at - begin);
        if (offset <= piece.bytes && bytes <= piece.bytes - offset)
            return Place{piece.buffer, offset, piece.address + offset};
    }
    return error(QL_INTERNAL, "vulkan: %zu bytes are not in the device's memory", bytes);
}

}  // namespace ql::vulkan
