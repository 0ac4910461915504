// What every shader has: memory by its address, the types of numbers in it, and how NaN is told.
//
// Groups may come in several rows (groups_for of dispatch.hpp): group() counts them all.
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_scalar_block_layout : require
#extension GL_EXT_shader_8bit_storage : require
#extension GL_EXT_shader_16bit_storage : require
#extension GL_EXT_shader_explicit_arithmetic_types_int8 : require
#extension GL_EXT_shader_explicit_arithmetic_types_int16 : require

layout(buffer_reference, scalar, buffer_reference_align = 4) buffer F32 {
    float at[];
};
layout(buffer_reference, scalar, buffer_reference_align = 4) buffer I32 {
    int at[];
};
layout(buffer_reference, scalar, buffer_reference_align = 2) buffer U16 {
    uint16_t at[];
};
layout(buffer_reference, scalar, buffer_reference_align = 1) buffer U8 {
    uint8_t at[];
};

#define PUSH layout(push_constant, scalar) uniform Push

int group() {
    return int(gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x);
}

#define kInfinity uintBitsToFloat(0x7f800000u)
#define kNan uintBitsToFloat(0x7fc00000u)
// By the bits: a compiler may take it for granted that there are none.
bool is_nan(float x) {
    return (floatBitsToUint(x) & 0x7fffffffu) > 0x7f800000u;
}
bool is_finite(float x) {
    return (floatBitsToUint(x) & 0x7f800000u) != 0x7f800000u;
}

// 2^e, e from -126 to 127.
float power_of_two(int e) {
    return uintBitsToFloat(uint(e + 127) << 23);
}

// f16 by the bits: devices differ in what they make of the smallest numbers, which scales of blocks are.
float f16_number(uint h) {
    const uint magnitude = h & 0x7fffu, sign = (h & 0x8000u) << 16;
    float x;
    if (magnitude < 0x0400u)
        x = float(magnitude) * 5.9604644775390625e-8;
    else if (magnitude < 0x7c00u)
        x = uintBitsToFloat((magnitude << 13) + 0x38000000u);
    else
        x = uintBitsToFloat((magnitude << 13) | 0x7f800000u);
    return uintBitsToFloat(floatBitsToUint(x) | sign);
}
float bf16_number(uint h) {
    return uintBitsToFloat(h << 16);
}
// To the nearest, ties to even; NaN stays NaN.
uint to_bf16(float x) {
    const uint bits = floatBitsToUint(x);
    if (is_nan(x)) return (bits >> 16) | 0x40u;
    return (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
}
uint to_f16(float x) {
    const uint bits = floatBitsToUint(x), sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu;
    if (is_nan(x)) return sign | 0x7e00u;
    if (magnitude >= 0x477ff000u) return sign | 0x7c00u;  // past the largest, rounded
    if (magnitude >= 0x38800000u) return sign | ((magnitude - 0x38000000u + 0xfffu + (magnitude >> 13 & 1u)) >> 13);
    if (magnitude < 0x33000000u) return sign;  // below half of the smallest
    const uint shift = 126u - (magnitude >> 23), whole = (magnitude & 0x7fffffu) | 0x800000u;
    const uint half_unit = 1u << (shift - 1u);
    return sign | ((whole + half_unit - 1u + (whole >> shift & 1u)) >> shift);
}

// Number i of f32, f16 (1) or bf16 (2); and of f32 or bf16, where one is stored.
float number_at(F32 data, uint type, int i) {
    if (type == 0) return data.at[i];
    const uint h = U16(data).at[i];
    return type == 1 ? f16_number(h) : bf16_number(h);
}
void store_number(F32 data, uint type, int i, float x) {
    if (type == 2)
        U16(data).at[i] = uint16_t(to_bf16(x));
    else
        data.at[i] = x;
}
