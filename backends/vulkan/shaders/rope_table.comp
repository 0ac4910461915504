// rope_table: table[2i, t] = m cos(a), table[2i + 1, t] = m sin(a); a = pos[t] scale base^(-2i / n_rot) / factors[i]. An
// invocation takes a pair.
//
// At far positions an angle in f32 is wrong by a hundredth of a radian, and a device need not have f64. So angles are counted
// in turns, as whole numbers with 64 bits behind the point: the product with a position drops whole turns by itself, and what is
// left is wrong by 2^-60 of a turn for each position, on every device alike. A factor that is no normal number gives NaN.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "backends/vulkan/shaders/elements.glsl"
layout(constant_id = 0) const bool kFactors = false;
PUSH {
    I32 positions;
    F32 factors, table;
    uvec2 powers[8];  // base^(-2 2^j / n_rot); of two words the lower stands first
    uvec2 turn;       // scale / (2 pi)
    int n, n_pairs;
    float magnitude;
};

uvec2 negated(uvec2 a) {
    return uvec2(~a.x + 1u, ~a.y + (a.x == 0 ? 1u : 0u));
}

// The upper two words of a product of fractions.
uvec2 times(uvec2 a, uvec2 b) {
    uint h00, l00, h01, l01, h10, l10, h11, l11, carry[5];
    umulExtended(a.x, b.x, h00, l00);
    umulExtended(a.x, b.y, h01, l01);
    umulExtended(a.y, b.x, h10, l10);
    umulExtended(a.y, b.y, h11, l11);
    uaddCarry(uaddCarry(h00, l01, carry[0]), l10, carry[1]);
    uint low = uaddCarry(h01, h10, carry[2]);
    low = uaddCarry(low, l11, carry[3]);
    low = uaddCarry(low, carry[0] + carry[1], carry[4]);
    return uvec2(low, h11 + carry[2] + carry[3] + carry[4]);
}

// a / factor, by the bits: 2^23 a over the mantissa, and then the exponent. Whole turns fall off.
uvec2 divided(uvec2 a, float factor) {
    const uint word = floatBitsToUint(factor), mantissa = (word & 0x7fffffu) | 0x800000u;
    const int e = int(word >> 23 & 255u) - 127;
    uint rest = 0;
    uvec2 q = uvec2(0);
    for (int bit = 63; bit >= -23; --bit) {
        rest = rest << 1 | (bit >= 32 ? a.y >> (bit - 32) & 1u : bit >= 0 ? a.x >> bit & 1u : 0u);
        q = uvec2(q.x << 1, q.y << 1 | q.x >> 31);
        if (rest >= mantissa) {
            rest -= mantissa;
            q.x |= 1u;
        }
    }
    for (int i = 0; i < min(e, 64); ++i) q = uvec2(q.x >> 1 | q.y << 31, q.y >> 1);
    for (int i = 0; i < min(-e, 64); ++i) q = uvec2(q.x << 1, q.y << 1 | q.x >> 31);
    return word >> 31 == 1u ? negated(q) : q;
}

uvec2 frequency(int pair) {
    uvec2 f = turn;
    for (int j = 0; j < 8; ++j)
        if ((pair >> j & 1) == 1) f = times(f, powers[j]);
    return kFactors ? divided(f, factors.at[pair]) : f;
}

uvec2 angle_of(uvec2 frequency, int position) {
    const uint steps = uint(abs(position));
    uint high, low;
    umulExtended(frequency.x, steps, high, low);
    const uvec2 a = uvec2(low, high + frequency.y * steps);
    return position < 0 ? negated(a) : a;
}

// Cosine and sine, by the nearest quarter of a turn. The polynomials are Cephes'.
vec2 cos_sin(uvec2 angle) {
    const uint quarter = (angle.y + 0x20000000u) >> 30;
    const float x = (float(int(angle.y - (quarter << 30))) + float(angle.x) * 2.3283064365386963e-10) * 1.4629180792671596e-9;
    const float z = x * x;
    const float s = ((-1.9515295891e-4 * z + 8.3321608736e-3) * z - 1.6666654611e-1) * z * x + x;
    const float c = ((2.443315711809948e-5 * z - 1.388731625493765e-3) * z + 4.166664568298827e-2) * z * z - 0.5 * z + 1;
    switch (quarter) {
        case 0: return vec2(c, s);
        case 1: return vec2(-s, c);
        case 2: return vec2(-c, -s);
        default: return vec2(s, -c);
    }
}

void main() {
    EACH_ELEMENT(e, n) {
        const int pair = e % n_pairs;
        vec2 both = cos_sin(angle_of(frequency(pair), positions.at[e / n_pairs])) * magnitude;
        if (kFactors) {
            const uint exponent = floatBitsToUint(factors.at[pair]) >> 23 & 255u;
            if (exponent == 0 || exponent == 255) both = vec2(kNan);
        }
        table.at[2 * e] = both.x;
        table.at[2 * e + 1] = both.y;
    }
}
