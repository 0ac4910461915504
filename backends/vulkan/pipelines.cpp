#include "backends/vulkan/pipelines.hpp"

namespace ql::vulkan {

Pipelines::Pipelines(VkDevice device, const Examined & examined, const Settings & settings)
    : device_(device), settings_(settings), file_(settings.cache, examined.properties) {}

Result<std::unique_ptr<Pipelines>> Pipelines::make(VkDevice device, const Examined & examined,
                                                   const Settings & settings) {
    std::unique_ptr<Pipelines> made(new Pipelines(device, examined, settings));
    QL_TRY(made->make_layout());
    QL_TRY(made->make_cache());
    return made;
}

Pipelines::~Pipelines() {
    save();
    for (const auto & [key, pipeline] : made_) vkDestroyPipeline(device_, pipeline, nullptr);
    vkDestroyPipelineCache(device_, cache_, nullptr);
    vkDestroyPipelineLayout(device_, layout_, nullptr);
}

Status Pipelines::make_layout() {
    const VkPushConstantRange range = {VK_SHADER_STAGE_COMPUTE_BIT, 0, kMostPushed};
    const VkPipelineLayoutCreateInfo info = {.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
                                             .pushConstantRangeCount = 1,
                                             .pPushConstantRanges = &range};
    return check(vkCreatePipelineLayout(device_, &info, nullptr, &layout_), "vkCreatePipelineLayout");
}

Status Pipelines::make_cache() {
    const std::vector<std::byte> data = file_.read();
    read_ = data.size();
    const VkPipelineCacheCreateInfo info = {.sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO,
                                            .initialDataSize = data.size(),
                                            .pInitialData = data.data()};
    return check(vkCreatePipelineCache(device_, &info, nullptr, &cache_), "vkCreatePipelineCache");
}

void Pipelines::save() const {
    size_t bytes = 0;
    if (!cache_ || vkGetPipelineCacheData(device_, cache_, &bytes, nullptr) != VK_SUCCESS || bytes == read_) return;
    std::vector<std::byte> data(bytes);
    if (vkGetPipelineCacheData(device_, cache_, &bytes, data.data()) == VK_SUCCESS) file_.write(data);
}

Result<VkPipeline> Pipelines::get(const Shader & shader, std::span<const uint32_t> constants) {
    const Key key{&shader, {constants.begin(), constants.end()}};
    if (const auto it = made_.find(key); it != made_.end()) return it->second;
    QL_ASSIGN(VkPipeline pipeline, compile(shader, constants));
    made_.emplace(key, pipeline);
    return pipeline;
}

Result<VkPipeline> Pipelines::compile(const Shader & shader, std::span<const uint32_t> constants) const {
    const VkShaderModuleCreateInfo code = {
        .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO, .codeSize = shader.bytes, .pCode = shader.words};
    VkShaderModule module = VK_NULL_HANDLE;
    QL_TRY(check(vkCreateShaderModule(device_, &code, nullptr, &module), "vkCreateShaderModule"));
    std::vector<VkSpecializationMapEntry> entries;
    for (uint32_t i = 0; i < constants.size(); ++i) entries.push_back({i, i * 4, 4});
    const VkSpecializationInfo values = {static_cast<uint32_t>(entries.size()), entries.data(), constants.size_bytes(),
                                         constants.data()};
    const VkComputePipelineCreateInfo info = {.sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
                                              .stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                                                        .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                                                        .module = module,
                                                        .pName = "main",
                                                        .pSpecializationInfo = &values},
                                              .layout = layout_};
    VkPipeline pipeline = VK_NULL_HANDLE;
    const VkResult result = settings_.shader == shader.name
                                ? VK_ERROR_INITIALIZATION_FAILED
                                : vkCreateComputePipelines(device_, cache_, 1, &info, nullptr, &pipeline);
    vkDestroyShaderModule(device_, module, nullptr);
    const Status made = check(result, "vkCreateComputePipelines");
    if (made.ok()) return pipeline;
    return error(made.code() == QL_NO_MEMORY ? QL_NO_MEMORY : QL_UNSUPPORTED,
                 "the driver does not compile shader %s: %s", shader.name, made.message().c_str());
}

}  // namespace ql::vulkan
