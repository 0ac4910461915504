// Formats of weights: number i of a tensor, whose row-major order is one run of blocks. ggml/dtypes has the layouts.
//
// Each operation is rounded by itself (`precise`), as the CPU does: a merge's codes hang on the last bit.
//
// kFormat is a constant of the pipeline, so that only one format's code is left of this; its numbers are those of
// ops/product.cpp. The shader declares it before it includes this.
const int kF32 = 0, kF16 = 1, kBf16 = 2, kQ8_0 = 3, kQ4_0 = 4, kQ4_1 = 5, kQ5_0 = 6, kQ5_1 = 7, kQ4_K = 8, kQ5_K = 9,
          kQ6_K = 10, kNf4 = 11, kNf4Dq = 12, kQ2_K = 13, kQ3_K = 14, kIq4Nl = 15, kMxfp4 = 16;

struct Weight {
    U8 data;
    U8 codes;       // of the scales, of nf4_dq
    F32 scales;     // of nf4, and of nf4_dq's codes
    F32 offset;     // of nf4_dq
    F32 tables;     // values of codes: those of kTableOf..., in VulkanDevice::tables' order
};
const int kTableOfNf4 = 0, kTableOfIq4 = 16, kTableOfFp4 = 32, kTableOfScales = 48;

int byte_at(Weight w, int at) {
    return int(w.data.at[at]);
}
float half_at(Weight w, int at) {
    return f16_number(U16(w.data).at[at / 2]);
}

// Blocks of 32, of which byte j has codes j and j + 16, behind a scale, a minimum (q4_1, q5_1), fifth bits (q5_0, q5_1).
float code_block(Weight w, int i) {
    const bool five = kFormat == kQ5_0 || kFormat == kQ5_1, has_minimum = kFormat == kQ4_1 || kFormat == kQ5_1;
    const int fifth = has_minimum ? 4 : 2, codes = fifth + (five ? 4 : 0), at = i / 32 * (codes + 16), j = i % 32;
    int code = byte_at(w, at + codes + j % 16) >> j / 16 * 4 & 15;
    if (five) code |= (byte_at(w, at + fifth + j / 8) >> j % 8 & 1) << 4;
    if (!has_minimum) return half_at(w, at) * float(code - (five ? 16 : 8));
    precise const float value = half_at(w, at) * float(code) + half_at(w, at + 2);
    return value;
}

// Scale and minimum of run r = 0..7 of a block of q4_K or q5_K, six bits each.
ivec2 k_scale(Weight w, int at, int r) {
    const int a = byte_at(w, at + r % 4), b = byte_at(w, at + 4 + r % 4), c = byte_at(w, at + 8 + r % 4);
    return r < 4 ? ivec2(a & 63, b & 63) : ivec2((c & 15) | (a >> 6) << 4, c >> 4 | (b >> 6) << 4);
}
float k_block(Weight w, int i) {
    const bool five = kFormat == kQ5_K;
    const int at = i / 256 * (five ? 176 : 144), r = i % 256 / 32, j = i % 32;
    const ivec2 s = k_scale(w, at + 4, r);
    int code = byte_at(w, at + 16 + (five ? 32 : 0) + r / 2 * 32 + j) >> r % 2 * 4 & 15;
    if (five) code |= (byte_at(w, at + 16 + j) >> r & 1) << 4;
    precise const float value = half_at(w, at) * float(s.x) * float(code) - half_at(w, at + 2) * float(s.y);
    return value;
}
float q6_k_block(Weight w, int i) {
    const int at = i / 256 * 210, r = i % 256 / 32, quarter = r % 4, half_of = r / 4, j = i % 32;
    const int low = byte_at(w, at + half_of * 64 + quarter % 2 * 32 + j) >> quarter / 2 * 4 & 15;
    const int high = byte_at(w, at + 128 + half_of * 32 + j) >> quarter * 2 & 3;
    const int scale = int(int8_t(w.data.at[at + 192 + i % 256 / 16]));
    return half_at(w, at + 208) * float(scale) * float((low | high << 4) - 32);
}

// Blocks of 64, whose byte j has codes j and j + 32. The product of nf4_dq's scale is rounded before the sum.
float nf4_scale(Weight w, int block) {
    if (kFormat == kNf4) return w.scales.at[block];
    precise const float product = w.tables.at[kTableOfScales + int(w.codes.at[block])] * w.scales.at[block / 256];
    precise const float scale = product + w.offset.at[0];
    return scale;
}
float nf4_block(Weight w, int i) {
    const int block = i / 64, j = i % 64;
    return w.tables.at[kTableOfNf4 + (byte_at(w, block * 32 + j % 32) >> j / 32 * 4 & 15)] * nf4_scale(w, block);
}

// q2_K: 16 scales and minima of four bits, codes of two, d, dmin.
float q2_k_block(Weight w, int i) {
    const int at = i / 256 * 84, g = i % 256 / 16, s = byte_at(w, at + g);
    const int code = byte_at(w, at + 16 + g / 8 * 32 + g % 2 * 16 + i % 16) >> g / 2 % 4 * 2 & 3;
    precise const float value = half_at(w, at + 80) * float(s & 15) * float(code) - half_at(w, at + 82) * float(s >> 4);
    return value;
}
// q3_K: third bits, codes of two, 16 scales of six bits, d.
float q3_k_block(Weight w, int i) {
    const int at = i / 256 * 110, r = i % 256 / 32, j = i % 32, g = i % 256 / 16;
    const int scale = (byte_at(w, at + 96 + g % 8) >> g / 8 * 4 & 15) | (byte_at(w, at + 104 + g % 4) >> g / 4 * 2 & 3) << 4;
    const int code = (byte_at(w, at + 32 + r / 4 * 32 + j) >> r % 4 * 2 & 3) | (byte_at(w, at + j) >> r & 1) << 2;
    return half_at(w, at + 108) * float(scale - 32) * float(code - 4);
}

// Blocks of 32 whose byte j has codes j and j + 16 of a table, behind an f16 scale, or a scale of 2^(e - 128).
float iq4_nl_block(Weight w, int i) {
    const int at = i / 32 * 18, code = byte_at(w, at + 2 + i % 16) >> i % 32 / 16 * 4 & 15;
    return half_at(w, at) * w.tables.at[kTableOfIq4 + code];
}
float mxfp4_block(Weight w, int i) {
    const int at = i / 32 * 17, code = byte_at(w, at + 1 + i % 16) >> i % 32 / 16 * 4 & 15, e = byte_at(w, at) - 128;
    // In two steps: the scale alone may be too small for the numbers that every device keeps.
    return w.tables.at[kTableOfFp4 + code] * power_of_two(e / 2) * power_of_two(e - e / 2);
}

float weight_at(Weight w, int i) {
    switch (kFormat) {
        case kF32: return F32(w.data).at[i];
        case kF16: return f16_number(U16(w.data).at[i]);
        case kBf16: return bf16_number(U16(w.data).at[i]);
        case kQ8_0: return half_at(w, i / 32 * 34) * float(int8_t(w.data.at[i / 32 * 34 + 2 + i % 32]));
        case kQ4_K:
        case kQ5_K: return k_block(w, i);
        case kQ6_K: return q6_k_block(w, i);
        case kQ2_K: return q2_k_block(w, i);
        case kQ3_K: return q3_k_block(w, i);
        case kIq4Nl: return iq4_nl_block(w, i);
        case kMxfp4: return mxfp4_block(w, i);
        case kNf4:
        case kNf4Dq: return nf4_block(w, i);
        default: return code_block(w, i);
    }
}
