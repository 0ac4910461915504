// What kernels of attention with tiles share. A group of 128 has kOwn rows (queries, or keys), and passes over kOther at a time of
// the others, which lie in shared memory: so each is read once for kOwn rows. kRowLanes invocations share a row: of its scores
// each has every kRowLanes-th, of its results every kRowLanes-th column, and each number is summed by one of them, in order.
//
// Rows of shared memory are kStep numbers, one more than a head: neighbours lie in different banks. How many rows there are
// follows from the memory of a group (ops/attention.cpp).
#include "backends/vulkan/shaders/common.glsl"
#include "backends/vulkan/shaders/functions.glsl"
#include "backends/vulkan/shaders/heads.glsl"
layout(local_size_x = 128) in;
layout(constant_id = 0) const int kOwn = 8;
layout(constant_id = 1) const int kOther = 8;
layout(constant_id = 2) const int kStep = 65;

const int kThreads = 128, kRowLanes = kThreads / kOwn, kHeld = (kStep - 1 + kRowLanes - 1) / kRowLanes;
const int kScores = (kOther + kRowLanes - 1) / kRowLanes;

int lane() {
    return int(gl_LocalInvocationID.x);
}
int own_row() {
    return lane() / kRowLanes;
}
int row_lane() {
    return lane() % kRowLanes;
}
#define EACH_SCORE(o) for (int o = row_lane(); o < kOther; o += kRowLanes)
#define EACH_COLUMN(e, i, d) for (int e = 0, i = row_lane(); i < (d); ++e, i += kRowLanes)
