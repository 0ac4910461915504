// Arithmetic whose every bit is the CPU's, for codes hang on the last one: Vulkan allows a device's own division an error of
// 2.5 ulp. Sums and products are rounded to the nearest by every device, if they are `precise`.

// a / b to the nearest, by whole numbers: mantissas of 24 bits, the quotient's bits eight at a time. Zero, what is below the
// normal numbers, Inf and NaN are left to the device.
float quotient(float a, float b) {
    const uint wa = floatBitsToUint(a), wb = floatBitsToUint(b);
    const int ea = int(wa >> 23 & 255u), eb = int(wb >> 23 & 255u);
    uint ma = (wa & 0x7fffffu) | 0x800000u;
    const uint mb = (wb & 0x7fffffu) | 0x800000u;
    int e = ea - eb + 127;
    if (ma < mb) {
        ma <<= 1;
        --e;
    }
    if (ea == 0 || eb == 0 || ea == 255 || eb == 255 || e <= 0 || e >= 255) return a / b;
    uint rest = ma - mb, q = 1;
    for (int digit = 0; digit < 3; ++digit) {
        rest <<= 8;
        const uint part_of = rest / mb;
        q = q << 8 | part_of;
        rest -= part_of * mb;
    }
    const bool is_up = (q & 1u) == 1u && (rest > 0 || (q & 2u) == 2u);
    q = (q >> 1) + (is_up ? 1u : 0u);
    return uintBitsToFloat(((wa ^ wb) & 0x80000000u) | ((uint(e) << 23) + (q - 0x800000u)));
}

// Numbers of 48 bits: the sum of two of f32, the second smaller than the first's last bit.
struct Pair {
    float high, low;
};
Pair pair_sum(float a, float b) {
    precise const float sum = a + b, a_part = sum - b, b_part = sum - a_part;
    precise const float low = (a - a_part) + (b - b_part);
    return Pair(sum, low);
}
Pair pair_product(float a, float b) {
    precise const float a_split = 4097.0 * a, b_split = 4097.0 * b;
    precise const float ah = a_split - (a_split - a), al = a - ah, bh = b_split - (b_split - b), bl = b - bh;
    precise const float product = a * b;
    precise const float low = ((ah * bh - product) + ah * bl + al * bh) + al * bl;
    return Pair(product, low);
}
Pair added(Pair a, Pair b) {
    const Pair s = pair_sum(a.high, b.high);
    precise const float low = s.low + (a.low + b.low);
    return pair_sum(s.high, low);
}
// a / b, rounded once.
float rounded_quotient(Pair a, Pair b) {
    const float first = quotient(a.high, b.high);
    const Pair taken = pair_product(first, b.high);
    precise const float rest = ((a.high - taken.high) - taken.low) + (a.low - first * b.low);
    precise const float result = first + rest / b.high;
    return result;
}
