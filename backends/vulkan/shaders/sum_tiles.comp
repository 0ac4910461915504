// sum_tiles: y [width] of each row is the sum of x [size]'s pieces.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "backends/vulkan/shaders/elements.glsl"
PUSH {
    F32 x, y;
    int n, size, width;
};

void main() {
    EACH_ELEMENT(i, n) {
        const int row = i / width * size;
        float sum = 0;
        for (int j = i % width; j < size; j += width) sum += x.at[row + j];
        y.at[i] = sum;
    }
}
