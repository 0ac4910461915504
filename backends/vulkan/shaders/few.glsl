// Products of up to eight columns: c[i + j ldc] = add[i + j ldc] + scale factor[j] sum_p a(i, p) b(j, p), a's rows dense, as
// matmul.comp has it. This is generation: one token, whose time is that of reading a once.
//
// Sixteen weights at a time are decoded to registers, neighbouring invocations those beside each other, and meet all columns:
// each packed byte is read once. kLanes invocations share a row, a group has 64 / kLanes x 2 of them; whole groups add up by
// subgroups and then in the subgroups' order, smaller shares in their order. So the bits are the same on every run of a device.
#extension GL_GOOGLE_include_directive : require
#include "backends/vulkan/shaders/common.glsl"
#ifdef QL_SUBGROUPS
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#endif
layout(local_size_x = 64) in;
layout(constant_id = 0) const int kFormat = 0;
layout(constant_id = 1) const bool kAdd = false;
layout(constant_id = 2) const bool kFactor = false;
layout(constant_id = 3) const uint kTypeB = 0;
layout(constant_id = 4) const uint kTypeC = 0;
layout(constant_id = 5) const uint kTypeAdd = 0;
layout(constant_id = 6) const int kColumns = 1;
layout(constant_id = 7) const int kLanes = 16;  // 1, 4, 16; with subgroups 64
#include "backends/vulkan/shaders/weights.glsl"
#include "backends/vulkan/shaders/units.glsl"
layout(buffer_reference, scalar, buffer_reference_align = 16) buffer F32x4 {
    vec4 at[];
};
PUSH {
    Weight a;
    F32 b, c, add, factor;
    int m, n, depth, a_row, a_depth, b_row, b_depth, ldc, factor_step;
    float scale;
};

const int kThreads = 64, kRows = 2, kMostColumns = 8, kSums = kRows * kMostColumns;
shared float parts[kSums][kThreads];

void plain_unit(int row, int p, inout float sum[kSums], int r) {
    for (int e = p; e < min(p + kUnit, depth); ++e) {
        const float x = weight_at(a, row * depth + e);
        for (int j = 0; j < kColumns; ++j) sum[r * kMostColumns + j] += x * number_at(b, kTypeB, min(j, n - 1) * b_row + e);
    }
}
vec4 four_of_b(int i) {
    if (kTypeB == 0) return F32x4(b).at[i / 4];
    return vec4(number_at(b, kTypeB, i), number_at(b, kTypeB, i + 1), number_at(b, kTypeB, i + 2), number_at(b, kTypeB, i + 3));
}
void packed_unit(int row, int u, inout float sum[kSums], int r) {
    vec4 v[4];
    unit_of(a, row * (depth / kUnit) + u, v);
    const int first = first_of(row * (depth / kUnit) + u) - row * depth;
    for (int j = 0; j < kColumns; ++j) {
        float s = 0;
        for (int q = 0; q < 4; ++q) {
            const vec4 x = four_of_b(min(j, n - 1) * b_row + first + quad_at(q));
            s += v[q].x * x.x + v[q].y * x.y + v[q].z * x.z + v[q].w * x.w;
        }
        sum[r * kMostColumns + j] += s;
    }
}

void store(int row, int column, float sum) {
    if (row >= m || column >= n) return;
    const int at = row + column * ldc;
    const float times = kFactor ? factor.at[column * factor_step] : 1;
    const float product = times == 0 ? 0 : scale * times * sum;
    store_number(c, kTypeC, at, kAdd ? number_at(add, kTypeAdd, at) + product : product);
}

void main() {
    const int lane = int(gl_LocalInvocationID.x), share = lane / kLanes;
    const int first_row = (group() * (kThreads / kLanes) + share) * kRows, units = (depth + kUnit - 1) / kUnit;
    float sum[kSums];
    for (int i = 0; i < kSums; ++i) sum[i] = 0;
    for (int u = lane % kLanes; u < units; u += kLanes)
        for (int r = 0; r < kRows; ++r) {
            const int row = first_row + r;
            if (row >= m) break;
            if (kIsPlain)
                plain_unit(row, u * kUnit, sum, r);
            else
                packed_unit(row, u, sum, r);
        }
    int n_parts = kLanes;
#ifdef QL_SUBGROUPS
    if (kLanes == kThreads) {
        n_parts = int(gl_NumSubgroups);
        for (int r = 0; r < kRows; ++r)
            for (int j = 0; j < kColumns; ++j) {
                const float all = subgroupAdd(sum[r * kMostColumns + j]);
                if (subgroupElect()) parts[r * kMostColumns + j][gl_SubgroupID] = all;
            }
    }
#endif
    if (kLanes < kThreads)
        for (int r = 0; r < kRows; ++r)
            for (int j = 0; j < kColumns; ++j) parts[r * kMostColumns + j][lane] = sum[r * kMostColumns + j];
    barrier();
    // A number of the results an invocation: of which share, row and column.
    const int rows = kThreads / kLanes * kRows;
    for (int e = lane; e < rows * kColumns; e += kThreads) {
        const int row = e % rows, j = e / rows, from = row / kRows * kLanes;
        float all = 0;
        for (int i = 0; i < n_parts; ++i) all += parts[row % kRows * kMostColumns + j][from + i];
        store(group() * rows + row, j, all);
    }
}
