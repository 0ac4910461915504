// The shaders of shaders/*.comp, compiled to SPIR-V when this was built; vulkan.cmake writes the list and the words.
#pragma once
#include <cstddef>
#include <cstdint>

namespace ql::vulkan {

struct Shader {
    const char * name;
    const uint32_t * words;
    size_t bytes;
};

namespace shader {
#define QL_SHADER(name) extern const Shader name;
#include <vulkan_shaders.def>
#undef QL_SHADER
}  // namespace shader

}  // namespace ql::vulkan
