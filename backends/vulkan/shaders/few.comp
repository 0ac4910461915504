// few.glsl on devices whose subgroups add up.
#version 460
#define QL_SUBGROUPS
#extension GL_GOOGLE_include_directive : require
#include "backends/vulkan/shaders/few.glsl"
