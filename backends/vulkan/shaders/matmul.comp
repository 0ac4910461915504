// Products: c[i + j ldc] = add[i + j ldc] + scale factor[j] sum_p a(i, p) b(j, p), p in order. a is a weight of any format
// with a step along each of its sides, so W x and W^T y read the same packed bytes; add and factor may be absent, add may
// be c. A factor of 0 makes the sum 0, whatever it was.
//
// A group of 256 computes 64 x 64 numbers, 16 an invocation, in steps of 32 of the depth: a tile of a, decoded once for the
// 64 columns, and one of b lie in shared memory. Rows of 65 numbers: neighbours along either side lie in different banks.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "backends/vulkan/shaders/common.glsl"
layout(local_size_x = 256) in;
layout(constant_id = 0) const int kFormat = 0;
layout(constant_id = 1) const bool kAdd = false;
layout(constant_id = 2) const bool kFactor = false;
layout(constant_id = 3) const uint kTypeB = 0;
layout(constant_id = 4) const uint kTypeC = 0;
layout(constant_id = 5) const uint kTypeAdd = 0;
#include "backends/vulkan/shaders/weights.glsl"
PUSH {
    Weight a;
    F32 b, c, add, factor;
    int m, n, depth, a_row, a_depth, b_row, b_depth, ldc, factor_step;
    float scale;
};

const int kSide = 64, kDepth = 32, kEach = 4, kThreads = 256;
shared float a_tile[kDepth][kSide + 1], b_tile[kDepth][kSide + 1];

// Neighbouring invocations read along whichever side is dense: (p, i) of element e of a tile.
ivec2 place_in_tile(int e, bool along_depth) {
    return along_depth ? ivec2(e % kDepth, e / kDepth) : ivec2(e / kSide, e % kSide);
}

void load(int i0, int j0, int p0) {
    for (int e = int(gl_LocalInvocationID.x); e < kDepth * kSide; e += kThreads) {
        const ivec2 ta = place_in_tile(e, a_depth == 1), tb = place_in_tile(e, b_depth == 1);
        const int pa = p0 + ta.x, i = i0 + ta.y, pb = p0 + tb.x, j = j0 + tb.y;
        a_tile[ta.x][ta.y] = pa < depth && i < m ? weight_at(a, i * a_row + pa * a_depth) : 0;
        b_tile[tb.x][tb.y] = pb < depth && j < n ? number_at(b, kTypeB, j * b_row + pb * b_depth) : 0;
    }
}

void main() {
    const int x = int(gl_LocalInvocationID.x) % 16, y = int(gl_LocalInvocationID.x) / 16;
    const int i0 = int(gl_WorkGroupID.x) * kSide, j0 = int(gl_WorkGroupID.y) * kSide;
    float sum[kEach][kEach];
    for (int i = 0; i < kEach; ++i)
        for (int j = 0; j < kEach; ++j) sum[i][j] = 0;
    for (int p0 = 0; p0 < depth; p0 += kDepth) {
        barrier();
        load(i0, j0, p0);
        barrier();
        for (int p = 0; p < kDepth; ++p) {
            float left[kEach], right[kEach];
            for (int i = 0; i < kEach; ++i) {
                left[i] = a_tile[p][x + 16 * i];
                right[i] = b_tile[p][y + 16 * i];
            }
            for (int i = 0; i < kEach; ++i)
                for (int j = 0; j < kEach; ++j) sum[i][j] += left[i] * right[j];
        }
    }
    for (int i = 0; i < kEach; ++i)
        for (int j = 0; j < kEach; ++j) {
            const int row = i0 + x + 16 * i, column = j0 + y + 16 * j, at = row + column * ldc;
            if (row >= m || column >= n) continue;
            const float times = kFactor ? factor.at[column * factor_step] : 1;
            const float product = times == 0 ? 0 : scale * times * sum[i][j];
            store_number(c, kTypeC, at, kAdd ? number_at(add, kTypeAdd, at) + product : product);
        }
}
