// lora_merge: merged = Q(W + s B A), by thresholds where kDithers. The bits are the CPU's, of a merge into a file
// (common/merged_row.hpp, the formats' files, dtypes/dither.hpp): all that a code hangs on is rounded as there. What is no number
// becomes a scale that is none.
//
// A group of 64 takes 64 elements, one an invocation: a block of nf4, or two of the other formats, whose scale one invocation
// finds. A's rows are read along, each once for every row of W.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "backends/vulkan/shaders/rows.glsl"
#include "backends/vulkan/shaders/exact.glsl"
layout(constant_id = 0) const int kFormat = 0;  // of W
layout(constant_id = 1) const int kTo = 0;
layout(constant_id = 2) const bool kDithers = false;
#include "backends/vulkan/shaders/weights.glsl"
PUSH {
    Weight w;
    U8 merged;
    F32 absmax, a, b;  // absmax: of nf4's blocks
    int n, k, r;
    float s;
    uint key;
};

const bool kIsNf4 = kTo == kNf4 || kTo == kNf4Dq;
const int kBlock = kIsNf4 ? 64 : 32, kHead = kTo == kQ4_1 ? 4 : 2, kBytes = kHead + (kTo == kQ8_0 ? 32 : 16);
shared float x[kLanes];
shared int code[kLanes];
shared float factor[2], scale[2], offset[2];  // a code is of (x - offset) factor; values are scale unit + offset

const float kThresholds[15] = {-0.8480964005, -0.6106329262, -0.4599952698, -0.3396794349, -0.2346074060,
                               -0.1379117332, -0.0455250181, 0.0397901498,  0.1202552505,  0.2035212517,
                               0.2920137718,  0.3893125355,  0.5016634166,  0.6427869201,  0.8614784181};

float merged_number(int i) {
    const int column = i % k, row = i / k * r;
    precise float sum = 0;
    for (int j = 0; j < r; ++j) sum = sum + b.at[row + j] * a.at[j * k + column];
    precise const float value = weight_at(w, i) + s * sum;
    return value;
}

float inverse_of(float d) {
    return abs(d) < 1.1754944e-38 || !is_finite(d) ? 0 : quotient(1, d);
}

// Scale and offset of the block that begins at x[first], and where it lies.
void find_scale(int first, int block, int at) {
    float least = x[first], most = x[first], largest = 0, signed_largest = 0;
    bool is_number = true;
    for (int j = first; j < first + kBlock; ++j) {
        least = min(least, x[j]);
        most = max(most, x[j]);
        is_number = is_number && is_finite(x[j]);
        if (abs(x[j]) > largest) {
            largest = abs(x[j]);
            signed_largest = x[j];
        }
    }
    offset[block] = 0;
    if (kIsNf4) {
        scale[block] = largest;
        factor[block] = inverse_of(largest);
        absmax.at[at] = is_number ? largest : kNan;
        return;
    }
    const float d = kTo == kQ8_0   ? quotient(largest, 127)
                    : kTo == kQ4_0 ? signed_largest * -0.125
                                   : quotient(most - least, 15);
    const uint half_d = is_number ? to_f16(d) : 0x7e00u;
    scale[block] = f16_number(half_d);
    factor[block] = inverse_of(d);
    U16(merged).at[at * kBytes / 2] = uint16_t(half_d);
    if (kTo == kQ4_0) offset[block] = -8 * scale[block];
    if (kTo != kQ4_1) return;
    U16(merged).at[at * kBytes / 2 + 1] = uint16_t(to_f16(least));
    offset[block] = least;  // of the codes; f16 of the values
}

int nearest_code(float v, int block) {
    precise const float scaled = kTo == kQ4_1 ? (v - offset[block]) * factor[block] : v * factor[block];
    if (kTo == kQ8_0) {
        const int whole = int(scaled);
        const float rest = scaled - float(whole);
        return whole + (rest >= 0.5 ? 1 : 0) - (rest <= -0.5 ? 1 : 0);
    }
    if (!kIsNf4) {
        precise const float up = scaled + (kTo == kQ4_0 ? 8.5 : 0.5);
        return clamp(int(up), 0, 15);
    }
    int above = 0;
    for (int t = 0; t < 15; ++t) above += scaled > kThresholds[t] ? 1 : 0;
    return above;
}

float unit(int c) {
    return kIsNf4 ? w.tables.at[kTableOfNf4 + c] : float(c);
}
float threshold_of(int i) {
    uint h = uint(i) * 0x9e3779b1u ^ key;
    h = (h ^ h >> 16) * 0x7feb352du;
    h = (h ^ h >> 15) * 0x846ca68bu;
    h ^= h >> 16;
    return float(h >> 8) * 5.9604644775390625e-8;
}
int dithered_code(int c, float v, int block, int i) {
    const float by = inverse_of(scale[block]), from = kTo == kQ4_1 ? f16_number(to_f16(offset[block])) : offset[block];
    if (by == 0) return c;  // all values are the same
    const float t = threshold_of(i);
    precise const float above = (v - from) * by - unit(c), rest = 1 - t;
    precise const float up = t * (unit(min(c + 1, 15)) - unit(c)), down = rest * (unit(c) - unit(max(c - 1, 0)));
    return c + (c < 15 && above > up ? 1 : 0) - (c > 0 && -above > down ? 1 : 0);
}

void main() {
    const int i = group() * kLanes + lane(), block = lane() / kBlock, j = lane() % kBlock;
    if (group() * kLanes >= n) return;
    const float v = i < n ? merged_number(i) : 0;
    if (kTo == kF32 && i < n) F32(merged).at[i] = v;
    if (kTo == kF16 && i < n) U16(merged).at[i] = uint16_t(to_f16(v));
    if (kTo == kBf16 && i < n) U16(merged).at[i] = uint16_t(to_bf16(v));
    if (kTo == kF32 || kTo == kF16 || kTo == kBf16) return;
    x[lane()] = v;
    barrier();
    if (j == 0 && i < n) find_scale(lane(), block, i / kBlock);
    barrier();
    if (i < n) {
        code[lane()] = nearest_code(v, block);
        if (kDithers) code[lane()] = dithered_code(code[lane()], v, block, i);
    }
    barrier();
    const int to = kIsNf4 ? i / 64 * 32 : i / 32 * kBytes + kHead, half_block = kBlock / 2;
    if (i >= n) return;
    if (kTo == kQ8_0)
        merged.at[to + j] = uint8_t(code[lane()] & 255);
    else if (j < half_block)
        merged.at[to + j] = uint8_t(code[lane()] | code[lane() + half_block] << 4);
}
