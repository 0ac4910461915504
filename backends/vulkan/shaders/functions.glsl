// Functions of one number, to an ulp or two on every device. Vulkan allows its own exp an error that grows with x, and
// promises nothing of tanh; with these, devices differ in roundings alone.
//
// The polynomials of exp, log and tanh are those of Moshier's Cephes library in single precision; erfc is that of Numerical
// Recipes (Press et al.), with a relative error below 1.2e-7.

float exp_of(float x) {
    if (is_nan(x)) return x;
    if (x > 88.722839) return kInfinity;
    x = max(x, -104.0);
    const float n = floor(1.44269504088896341 * x + 0.5);
    const float r = x - n * 0.693359375 - n * -2.12194440e-4;
    float y = 1.9875691500e-4;
    y = y * r + 1.3981999507e-3;
    y = y * r + 8.3334519073e-3;
    y = y * r + 4.1665795894e-2;
    y = y * r + 1.6666665459e-1;
    y = y * r + 5.0000001201e-1;
    y = y * r * r + r + 1;
    const int half_n = int(n) / 2;  // 2^n may be past the numbers though the result is not
    return y * power_of_two(half_n) * power_of_two(int(n) - half_n);
}

float log_of(float x) {
    if (is_nan(x) || x < 0) return kNan;
    if (x == 0) return -kInfinity;
    if (!is_finite(x)) return x;
    int e = int(floatBitsToUint(x) >> 23) - 126;
    float m = uintBitsToFloat((floatBitsToUint(x) & 0x007fffffu) | 0x3f000000u);
    if (m < 0.707106781186547524) {
        --e;
        m = m + m - 1;
    } else {
        m = m - 1;
    }
    const float z = m * m;
    float y = 7.0376836292e-2;
    y = y * m - 1.1514610310e-1;
    y = y * m + 1.1676998740e-1;
    y = y * m - 1.2420140846e-1;
    y = y * m + 1.4249322787e-1;
    y = y * m - 1.6668057665e-1;
    y = y * m + 2.0000714765e-1;
    y = y * m - 2.4999993993e-1;
    y = y * m + 3.3333331174e-1;
    y = y * m * z + float(e) * -2.12194440e-4 - 0.5 * z;
    return m + y + float(e) * 0.693359375;
}

// log(1 + x), x >= 0: what 1 + x has lost of x is put back.
float log1p_of(float x) {
    const float w = 1 + x;
    return w == 1 ? x : log_of(w) * (x / (w - 1));
}

float tanh_of(float x) {
    if (is_nan(x)) return x;
    const float a = abs(x);
    if (a > 9.1) return sign(x);
    if (a >= 0.625) return sign(x) * (1 - 2 / (exp_of(2 * a) + 1));
    const float z = x * x;
    float y = -5.70498872745e-3;
    y = y * z + 2.06390887954e-2;
    y = y * z - 5.37397155531e-2;
    y = y * z + 1.33314422036e-1;
    y = y * z - 3.33332819422e-1;
    return y * z * x + x;
}

float erfc_of(float x) {
    const float a = abs(x), t = 1 / (1 + 0.5 * a);
    float y = 0.17087277;
    y = y * t - 0.82215223;
    y = y * t + 1.48851587;
    y = y * t - 1.13520398;
    y = y * t + 0.27886807;
    y = y * t - 0.18628806;
    y = y * t + 0.09678418;
    y = y * t + 0.37409196;
    y = y * t + 1.00002368;
    const float positive = t * exp_of(-a * a - 1.26551223 + t * y);
    return x < 0 ? 2 - positive : positive;
}

float sigmoid(float x) {
    return 1 / (1 + exp_of(-x));
}
// cap tanh(x / cap), and its slope, by that value; 0: no cap.
float capped(float x, float cap) {
    return cap > 0 ? cap * tanh_of(x / cap) : x;
}
float cap_slope(float value, float cap) {
    return cap > 0 ? 1 - value / cap * (value / cap) : 1;
}
