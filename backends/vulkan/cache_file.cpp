#include "backends/vulkan/cache_file.hpp"

#include <cstdlib>
#include <cstring>

#include "ggml/core/os/os.hpp"

namespace ql::vulkan {
namespace {

/// Stands before the driver's data.
struct CacheHeader {
    char magic[8];
    uint64_t bytes, hash;  // of the data
};
constexpr char kMagic[8] = {'q', 'l', 'v', 'k', 'p', 'c', '0', '1'};
constexpr size_t kMostBytes = size_t{256} << 20;

/// FNV-1a in 64 bits.
uint64_t hash_of(const std::byte * data, size_t bytes) {
    uint64_t hash = 0xcbf29ce484222325;
    for (size_t i = 0; i < bytes; ++i) hash = (hash ^ static_cast<uint64_t>(data[i])) * 0x100000001b3;
    return hash;
}

std::string folder_of(const std::string & asked) {
    if (asked == "off") return "";
    if (!asked.empty()) return asked;
    const char *cache = std::getenv("XDG_CACHE_HOME"), *home = std::getenv("HOME");
    if (cache && *cache) return std::string(cache) + "/qlora.cpp";
    return home && *home ? std::string(home) + "/.cache/qlora.cpp" : "";
}

std::string hexadecimal(const uint8_t * data, size_t n) {
    std::string text;
    for (size_t i = 0; i < n; ++i) text += format("%02x", data[i]);
    return text;
}

}  // namespace

CacheFile::CacheFile(const std::string & folder, const VkPhysicalDeviceProperties & driver)
    : driver_(driver), folder_(folder_of(folder)) {
    if (!folder_.empty()) path_ = folder_ + "/vulkan-" + hexadecimal(driver.pipelineCacheUUID, VK_UUID_SIZE) + ".bin";
}

/// The driver checks this, too; not every one does it well.
bool CacheFile::is_of_driver(const std::vector<std::byte> & data) const {
    VkPipelineCacheHeaderVersionOne head;
    if (data.size() < sizeof(head)) return false;
    std::memcpy(&head, data.data(), sizeof(head));
    return head.headerVersion == VK_PIPELINE_CACHE_HEADER_VERSION_ONE && head.vendorID == driver_.vendorID &&
           head.deviceID == driver_.deviceID &&
           std::memcmp(head.pipelineCacheUUID, driver_.pipelineCacheUUID, VK_UUID_SIZE) == 0;
}

std::vector<std::byte> CacheFile::read() const {
    if (path_.empty()) return {};
    const auto file = os::read_file(path_, kMostBytes);
    if (!file.ok() || file->size < sizeof(CacheHeader)) return {};
    CacheHeader header;
    std::memcpy(&header, file->data.get(), sizeof(header));
    const auto * from = reinterpret_cast<const std::byte *>(file->data.get()) + sizeof(header);
    const size_t bytes = file->size - sizeof(header);
    if (std::memcmp(header.magic, kMagic, sizeof(kMagic)) != 0 || header.bytes != bytes ||
        header.hash != hash_of(from, bytes))
        return {};
    std::vector<std::byte> data(from, from + bytes);
    return is_of_driver(data) ? data : std::vector<std::byte>();
}

void CacheFile::write(const std::vector<std::byte> & data) const {
    if (path_.empty() || !is_of_driver(data)) return;
    CacheHeader header{{}, data.size(), hash_of(data.data(), data.size())};
    std::memcpy(header.magic, kMagic, sizeof(kMagic));
    (void)os::make_directory(folder_);  // it may be there
    auto file = os::SafeFile::create(path_, sizeof(header) + data.size());
    if (!file.ok() || !file->append(&header, sizeof(header)).ok()) return;
    if (file->append(data.data(), data.size()).ok()) (void)file->commit();
}

}  // namespace ql::vulkan
