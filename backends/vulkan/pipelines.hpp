// Compiled shaders: one for each shader and the values of its constants, made when it is first asked for.
#pragma once
#include <map>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "backends/vulkan/cache_file.hpp"
#include "backends/vulkan/settings.hpp"
#include "backends/vulkan/shaders.hpp"

namespace ql::vulkan {

/// All that a shader gets: addresses and numbers, in one block. Every device has room for so many.
inline constexpr size_t kMostPushed = 128;

class Pipelines {
  public:
    static Result<std::unique_ptr<Pipelines>> make(VkDevice device, const Examined & examined,
                                                   const Settings & settings);
    ~Pipelines();
    Pipelines(const Pipelines &) = delete;
    Pipelines & operator=(const Pipelines &) = delete;

    /// errors: QL_UNSUPPORTED, by the shader's name, where the driver does not compile it; QL_NO_MEMORY
    Result<VkPipeline> get(const Shader & shader, std::span<const uint32_t> constants);
    /// The same for all.
    VkPipelineLayout layout() const { return layout_; }

  private:
    using Key = std::pair<const Shader *, std::vector<uint32_t>>;

    Pipelines(VkDevice device, const Examined & examined, const Settings & settings);
    Status make_layout();
    Status make_cache();
    Result<VkPipeline> compile(const Shader & shader, std::span<const uint32_t> constants) const;
    void save() const;

    const VkDevice device_;
    const Settings & settings_;
    const CacheFile file_;
    VkPipelineCache cache_ = VK_NULL_HANDLE;
    size_t read_ = 0;  // bytes of the cache as it was found
    VkPipelineLayout layout_ = VK_NULL_HANDLE;
    std::map<Key, VkPipeline> made_;
};

}  // namespace ql::vulkan
