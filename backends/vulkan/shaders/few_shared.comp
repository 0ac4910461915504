// few.glsl on devices without.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "backends/vulkan/shaders/few.glsl"
