// Compiled shaders on the disk, for the next process: a file for each driver. What is damaged, or another driver's, is
// ignored and written anew; a cache that cannot be read or written changes nothing but the time.
#pragma once
#include <string>
#include <vector>

#include "backends/vulkan/limits.hpp"

namespace ql::vulkan {

class CacheFile {
  public:
    /// folder   "": the user's, $XDG_CACHE_HOME or ~/.cache; "off": none
    CacheFile(const std::string & folder, const VkPhysicalDeviceProperties & driver);

    /// Empty where there is nothing of use.
    std::vector<std::byte> read() const;
    void write(const std::vector<std::byte> & data) const;

  private:
    bool is_of_driver(const std::vector<std::byte> & data) const;

    const VkPhysicalDeviceProperties & driver_;
    std::string folder_, path_;  // "": none
};

}  // namespace ql::vulkan
