// Shaders of single elements: a group of 256 takes 1024 of them, each invocation four that are 256 apart, so that
// neighbours read neighbours. Each number is read and written once.
#include "backends/vulkan/shaders/common.glsl"
layout(local_size_x = 256) in;

#define EACH_ELEMENT(i, n) \
    for (int i = group() * 1024 + int(gl_LocalInvocationID.x), end_ = i + 1024; i < end_ && i < (n); i += 256)
