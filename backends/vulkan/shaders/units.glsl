// Weights sixteen at a time, for kernels that read each packed byte once: a unit is eight bytes of codes of four bits, sixteen
// of eight, four of those whose codes have two bits or six. Its numbers are those of weights.glsl.
//
// A unit's weights are runs of neighbours: byte j of a block has codes that are half a block apart, or a quarter.

const bool kIsPlain = kFormat <= kBf16, kIsK = kFormat == kQ4_K || kFormat == kQ5_K,
           kIsQuarters = kFormat == kQ6_K || kFormat == kQ2_K || kFormat == kQ3_K, kIsNf4 = kFormat == kNf4 || kFormat == kNf4Dq;
const int kUnit = 16;
const int kRuns = kIsPlain || kFormat == kQ8_0 ? 1 : kIsQuarters ? 4 : 2, kQuads = 4 / kRuns;
const int kGap = kIsK || kIsQuarters || kIsNf4 ? 32 : 16;  // from a run to the next

// The first weight of a unit, by the number of the unit in the tensor.
int first_of(int u) {
    if (kRuns == 1) return u * kUnit;
    if (kIsQuarters) return u / 8 * 128 + u % 8 * 4;
    if (kIsK || kIsNf4) return u / 4 * 64 + u % 4 * 8;
    return u / 2 * 32 + u % 2 * 8;
}
// Of four neighbours, the first one's distance from that.
int quad_at(int q) {
    return q / kQuads * kGap + q % kQuads * 4;
}

uint word_at(Weight w, int at) {
    if (kIsNf4) return uint(I32(w.data).at[at / 4]);
    if (kFormat == kMxfp4)
        return uint(w.data.at[at]) | uint(w.data.at[at + 1]) << 8 | uint(w.data.at[at + 2]) << 16 | uint(w.data.at[at + 3]) << 24;
    return uint(U16(w.data).at[at / 2]) | uint(U16(w.data).at[at / 2 + 1]) << 16;
}
// Four codes, one in each byte of a word, at a bit.
ivec4 codes_of(uint word, int bit, uint mask) {
    return ivec4((uvec4(word, word >> 8, word >> 16, word >> 24) >> bit) & mask);
}
vec4 of_table(Weight w, int table, ivec4 c) {
    return vec4(w.tables.at[table + c.x], w.tables.at[table + c.y], w.tables.at[table + c.z], w.tables.at[table + c.w]);
}

// Blocks of 32 with a scale: q4_0, q4_1, q5_0, q5_1, iq4_nl, mxfp4.
void small_blocks(Weight w, int u, out vec4 v[4]) {
    const bool five = kFormat == kQ5_0 || kFormat == kQ5_1, has_minimum = kFormat == kQ4_1 || kFormat == kQ5_1;
    const int head = kFormat == kMxfp4 ? 1 : (has_minimum ? 4 : 2) + (five ? 4 : 0), at = u / 2 * (head + 16), part = u % 2 * 8;
    float scale = 1, minimum = 0;
    int e = 0;
    if (kFormat == kMxfp4)
        e = byte_at(w, at) - 128;
    else
        scale = half_at(w, at);
    if (has_minimum) minimum = half_at(w, at + 2);
    const uint fifth = five ? word_at(w, at + (has_minimum ? 4 : 2)) : 0;
    for (int half_of = 0; half_of < 2; ++half_of) {
        const uint word = word_at(w, at + head + part + half_of * 4);
        for (int side = 0; side < 2; ++side) {
            ivec4 c = codes_of(word, side * 4, 15u);
            const uint bits = fifth >> (side * 16 + part + half_of * 4);
            if (five) c |= ivec4((uvec4(bits, bits >> 1, bits >> 2, bits >> 3) & 1u) << 4);
            vec4 x;
            if (kFormat == kMxfp4)
                x = of_table(w, kTableOfFp4, c) * power_of_two(e / 2) * power_of_two(e - e / 2);
            else if (kFormat == kIq4Nl)
                x = scale * of_table(w, kTableOfIq4, c);
            else
                x = scale * vec4(has_minimum ? c : c - (five ? 16 : 8)) + minimum;
            v[side * 2 + half_of] = x;
        }
    }
}

void k_blocks(Weight w, int u, out vec4 v[4]) {
    const bool five = kFormat == kQ5_K;
    const int at = u / 16 * (five ? 176 : 144), pair = u % 16 / 4, part = u % 4 * 8;
    const float d = half_at(w, at), dmin = half_at(w, at + 2);
    for (int half_of = 0; half_of < 2; ++half_of) {
        const int j = part + half_of * 4;
        const uint word = word_at(w, at + 16 + (five ? 32 : 0) + pair * 32 + j), fifth = five ? word_at(w, at + 16 + j) : 0;
        for (int side = 0; side < 2; ++side) {
            const int r = pair * 2 + side;
            const ivec2 s = k_scale(w, at + 4, r);
            ivec4 c = codes_of(word, side * 4, 15u);
            if (five) c |= codes_of(fifth, r, 1u) << 4;
            v[side * 2 + half_of] = d * float(s.x) * vec4(c) - dmin * float(s.y);
        }
    }
}

// q2_K, q3_K, q6_K: byte j of half a block has codes of four runs of 32.
void quarter_blocks(Weight w, int u, out vec4 v[4]) {
    const int block = u / 16, side = u % 16 / 8, j = u % 8 * 4;
    const int at = block * (kFormat == kQ6_K ? 210 : kFormat == kQ3_K ? 110 : 84);
    if (kFormat == kQ6_K) {
        const uint low[2] = {word_at(w, at + side * 64 + j), word_at(w, at + side * 64 + 32 + j)};
        const uint high = word_at(w, at + 128 + side * 32 + j);
        const float d = half_at(w, at + 208);
        for (int quarter = 0; quarter < 4; ++quarter) {
            const ivec4 c = codes_of(low[quarter % 2], quarter / 2 * 4, 15u) | codes_of(high, quarter * 2, 3u) << 4;
            const int scale = int(int8_t(w.data.at[at + 192 + side * 8 + quarter * 2 + j / 16]));
            v[quarter] = d * float(scale) * vec4(c - 32);
        }
        return;
    }
    const uint word = word_at(w, at + (kFormat == kQ3_K ? 32 : 16) + side * 32 + j);
    const uint third = kFormat == kQ3_K ? word_at(w, at + j) : 0;
    for (int quarter = 0; quarter < 4; ++quarter) {
        const int g = side * 8 + quarter * 2 + j / 16;
        ivec4 c = codes_of(word, quarter * 2, 3u);
        if (kFormat == kQ2_K) {
            const int s = byte_at(w, at + g);
            v[quarter] = half_at(w, at + 80) * float(s & 15) * vec4(c) - half_at(w, at + 82) * float(s >> 4);
            continue;
        }
        c |= codes_of(third, side * 4 + quarter, 1u) << 2;
        const int scale =
            (byte_at(w, at + 96 + g % 8) >> g / 8 * 4 & 15) | (byte_at(w, at + 104 + g % 4) >> g / 4 * 2 & 3) << 4;
        v[quarter] = half_at(w, at + 108) * float(scale - 32) * vec4(c - 4);
    }
}

void nf4_blocks(Weight w, int u, out vec4 v[4]) {
    const int block = u / 4, part = u % 4 * 8;
    const float scale = nf4_scale(w, block);
    for (int half_of = 0; half_of < 2; ++half_of) {
        const uint word = word_at(w, block * 32 + part + half_of * 4);
        for (int side = 0; side < 2; ++side)
            v[side * 2 + half_of] = of_table(w, kTableOfNf4, codes_of(word, side * 4, 15u)) * scale;
    }
}

// Weights of unit u, four neighbours each, in the order of quad_at. Not of f32, f16, bf16.
void unit_of(Weight w, int u, out vec4 v[4]) {
    if (kFormat == kQ8_0) {
        const int at = u / 2 * 34, from = at + 2 + u % 2 * 16;
        for (int q = 0; q < 4; ++q) {
            const uint word = word_at(w, from + q * 4);
            v[q] = half_at(w, at) * vec4(ivec4(word << 24, word << 16, word << 8, word) >> 24);
        }
    } else if (kIsNf4) {
        nf4_blocks(w, u, v);
    } else if (kIsK) {
        k_blocks(w, u, v);
    } else if (kIsQuarters) {
        quarter_blocks(w, u, v);
    } else {
        small_blocks(w, u, v);
    }
}
