#include "ggml/dtypes/k_block.hpp"

#include <algorithm>
#include <cmath>

#include "ggml/dtypes/block_format.hpp"
#include "ggml/dtypes/half.hpp"

namespace ql {
namespace {

bool is_finite_half(uint16_t h) {
    return (h & 0x7fff) < 0x7c00;
}

/// How many times d, rounded to a whole number from `least` to `most`; 0 for a d of 0.
int multiples(float x, float d, int least, int most) {
    if (d == 0) return 0;
    return static_cast<int>(
        std::min(std::max(std::nearbyint(x / d), static_cast<float>(least)), static_cast<float>(most)));
}

/// What is refused, and what is zero altogether.
enum class Size { refused, zero, fitted };
Size size_of(const float * x) {
    const uint32_t bits = max_magnitude_bits<kKBlock>(x);
    if (bits >= kInfBits) return Size::refused;
    const float most = std::bit_cast<float>(bits);
    return most < kLeastFitted ? Size::zero : most > kMostFitted ? Size::refused : Size::fitted;
}

/// The work on one affine block. Sums over groups are in double, in the groups' order.
class AffineEncoder {
  public:
    AffineEncoder(const float * x, int top, AffineBlock & block)
        : groups_(x, 32), top_(static_cast<float>(top)), block_(block) {}

    bool encode() {
        fit_affine(groups_, top_, fit_);
        block_.d = f32_to_f16(*std::max_element(fit_.scale, fit_.scale + kFitted) / 63);
        block_.dmin = f32_to_f16(*std::max_element(fit_.minimum, fit_.minimum + kFitted) / 63);
        if (!is_finite_half(block_.d) || !is_finite_half(block_.dmin)) return false;
        for (int g = 0; g < kFitted; ++g) {
            block_.scale[g] = static_cast<uint8_t>(multiples(fit_.scale[g], f16_to_f32(block_.d), 0, 63));
            set_minimum(g, fit_.minimum[g]);
        }
        set_codes();
        for (int g = 0; g < kFitted; ++g)  // the best minimum for a scale that is rounded by now
            set_minimum(g, (scale_[g] * block_.codes.q[g] - fit_.sum_x[g]) / static_cast<float>(groups_.n));
        set_codes();
        fit_halves();
        set_codes();
        return true;
    }

  private:
    void set_minimum(int g, float minimum) {
        block_.minimum[g] = static_cast<uint8_t>(multiples(minimum, f16_to_f32(block_.dmin), 0, 63));
    }

    void set_codes() {
        for (int g = 0; g < kFitted; ++g) {
            scale_[g] = f16_to_f32(block_.d) * static_cast<float>(block_.scale[g]);
            minimum_[g] = f16_to_f32(block_.dmin) * static_cast<float>(block_.minimum[g]);
        }
        affine_codes(groups_, scale_, minimum_, top_, block_.codes);
    }

    /// d and dmin by least squares, everything else as it is.
    void fit_halves() {
        double ss = 0, sm = 0, mm = 0, xs = 0, xm = 0;
        for (int g = 0; g < kFitted; ++g) {
            const double s = block_.scale[g], m = -static_cast<double>(block_.minimum[g]);
            ss += s * s * static_cast<double>(block_.codes.qq[g]);
            sm += s * m * static_cast<double>(block_.codes.q[g]);
            mm += m * m * groups_.n;
            xs += s * static_cast<double>(block_.codes.xq[g]);
            xm += m * static_cast<double>(fit_.sum_x[g]);
        }
        const double det = ss * mm - sm * sm;
        if (ss == 0 || (mm != 0 && !(det > 1e-6 * ss * mm))) return;
        const double d = mm == 0 ? xs / ss : (xs * mm - xm * sm) / det;
        const double dmin = mm == 0 ? 0 : (ss * xm - sm * xs) / det;
        const uint16_t half = f32_to_f16(static_cast<float>(d)), half_min = f32_to_f16(static_cast<float>(dmin));
        if (!(d > 0 && dmin >= 0) || half == 0 || !is_finite_half(half) || !is_finite_half(half_min)) return;
        block_.d = half, block_.dmin = half_min;
    }

    const Groups groups_;
    const float top_;
    AffineBlock & block_;
    AffineFit fit_;
    float scale_[kFitted], minimum_[kFitted];
};

}  // namespace

bool encode_affine(const float * x, int top, AffineBlock & block) {
    const Size size = size_of(x);
    block = {};
    return size == Size::fitted ? AffineEncoder(x, top, block).encode() : size == Size::zero;
}

bool encode_signed(const float * x, int half, int most, SignedBlock & block) {
    const Size size = size_of(x);
    if (size == Size::refused) return false;
    const Groups groups[2] = {{x, 16}, {x + kKBlock / 2, 16}};
    alignas(32) float fitted[16] = {}, scale[16];
    const auto h = static_cast<float>(half);
    const auto set_codes = [&] {
        for (int g = 0; g < 16; ++g) scale[g] = f16_to_f32(block.d) * static_cast<float>(block.scale[g]);
        for (int i = 0; i < 2; ++i) signed_codes(groups[i], scale + i * kFitted, h, block.codes[i]);
    };
    if (size == Size::fitted)
        for (int i = 0; i < 2; ++i) fit_signed(groups[i], h, fitted + i * kFitted);
    const float largest =
        *std::max_element(fitted, fitted + 16, [](float a, float b) { return std::fabs(a) < std::fabs(b); });
    block.d = f32_to_f16(largest == 0 ? 0.0f : largest / static_cast<float>(-most));
    if (!is_finite_half(block.d)) return false;
    if ((block.d & 0x7fff) == 0) block.d = 0;
    for (int g = 0; g < 16; ++g)
        block.scale[g] = static_cast<int8_t>(multiples(fitted[g], f16_to_f32(block.d), -most, most - 1));
    set_codes();
    double ss = 0, xs = 0;  // d by least squares
    for (int g = 0; g < 16; ++g) {
        const GroupCodes & c = block.codes[g / kFitted];
        const double s = block.scale[g];
        ss += s * s * static_cast<double>(c.qq[g % kFitted]);
        xs += s * static_cast<double>(c.xq[g % kFitted]);
    }
    const uint16_t d = ss == 0 ? uint16_t{0} : f32_to_f16(static_cast<float>(xs / ss));
    if ((d & 0x7fff) == 0 || !is_finite_half(d)) return true;
    block.d = d;
    set_codes();
    return true;
}

}  // namespace ql
