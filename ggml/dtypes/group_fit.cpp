// Split: none. Eight groups stay in L1 while some ten or twenty scales look at them; figures are in the commits' texts.
#include "ggml/dtypes/group_fit.hpp"

#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ggml/dtypes/group_fit.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace ql {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::CappedTag<float, kFitted>;
using Vec = hn::Vec<Tag>;
using Mask = hn::Mask<Tag>;
constexpr Tag kTag;
constexpr int kWidth = hn::MaxLanes(kTag);

HWY_INLINE Vec set(float x) {
    return hn::Set(kTag, x);
}

/// 1 / x, and 0 for 0.
HWY_INLINE Vec inverse_of(Vec x) {
    const Mask is_zero = hn::Eq(x, hn::Zero(kTag));
    return hn::IfThenZeroElse(is_zero, hn::Div(set(1), hn::IfThenElse(is_zero, set(1), x)));
}

struct Sums {
    Vec q, qq, xq;

    HWY_INLINE void add(Vec x, Vec code) {
        q = hn::Add(q, code);
        qq = hn::Add(qq, hn::Mul(code, code));
        xq = hn::Add(xq, hn::Mul(x, code));
    }
};

HWY_INLINE Sums no_sums() {
    return {hn::Zero(kTag), hn::Zero(kTag), hn::Zero(kTag)};
}

/// kWidth of the groups, from group `first` on.
struct Lanes {
    const Groups & groups;
    int first;

    HWY_INLINE Vec at(int j) const { return hn::Load(kTag, groups.x[j] + first); }

    /// The sums of code(x), a vector of f32, over the weights.
    template <class Code>
    HWY_INLINE Sums sums(const Code & code) const {
        Sums s = no_sums();
        for (int j = 0; j < groups.n; ++j) s.add(at(j), code(at(j)));
        return s;
    }

    /// The weight of the largest magnitude, the first of equals.
    HWY_INLINE Vec largest() const {
        Vec found = at(0);
        for (int j = 1; j < groups.n; ++j) found = hn::IfThenElse(hn::Gt(hn::Abs(at(j)), hn::Abs(found)), at(j), found);
        return found;
    }
};

/// The code nearest to (x + minimum) * inverse in [low, top].
struct Rounded {
    Vec minimum, inverse, low, top;
    HWY_INLINE Vec operator()(Vec x) const {
        const Vec code = hn::Min(hn::Max(hn::Mul(hn::Add(x, minimum), inverse), low), top);
        const Vec whole = set(0x1.8p23f);  // beside it there is no room for a fraction: ties go to even
        return hn::Sub(hn::Add(code, whole), whole);
    }
};

/// The value that belongs to the unit nearest to x * inverse.
struct Nearest {
    const float *units, *values;
    Vec inverse;
    HWY_INLINE Vec operator()(Vec x) const {
        const Vec v = hn::Mul(x, inverse);
        Vec found = set(values[0]);
        HWY_UNROLL(15)
        for (int i = 0; i < 15; ++i)
            found = hn::IfThenElse(hn::Gt(v, set((units[i] + units[i + 1]) * 0.5f)), set(values[i + 1]), found);
        return found;
    }
};

/// The best line so far: of the squares, a fit explains `gain`.
struct BestLine {
    Vec gain, scale, minimum;

    HWY_INLINE void keep(Mask better, Vec new_gain, Vec new_scale, Vec new_minimum) {
        gain = hn::IfThenElse(better, new_gain, gain);
        scale = hn::IfThenElse(better, new_scale, scale);
        minimum = hn::IfThenElse(better, new_minimum, minimum);
    }
};

HWY_INLINE BestLine no_line(Vec minimum) {
    return {set(std::numeric_limits<float>::lowest()), hn::Zero(kTag), minimum};
}

/// x = scale q - minimum by least squares; without a minimum where it would be negative, or all codes are the same.
HWY_INLINE void consider_line(const Sums & s, Vec sum_x, Vec n, BestLine & best) {
    const Vec zero = hn::Zero(kTag), one = set(1);
    const Vec det = hn::Sub(hn::Mul(n, s.qq), hn::Mul(s.q, s.q));  // whole numbers below 2^24: exact
    const Mask has_line = hn::Gt(det, zero), has_codes = hn::Gt(s.qq, zero);
    const Vec slope = hn::Div(hn::Sub(hn::Mul(n, s.xq), hn::Mul(sum_x, s.q)), hn::IfThenElse(has_line, det, one));
    const Vec start = hn::Div(hn::Sub(sum_x, hn::Mul(slope, s.q)), n);
    const Mask through_zero = hn::Or(hn::Not(has_line), hn::Gt(start, zero));
    const Vec scale = hn::IfThenElse(through_zero, hn::Div(s.xq, hn::IfThenElse(has_codes, s.qq, one)), slope);
    const Vec at_zero = hn::IfThenZeroElse(through_zero, start);
    const Vec gain = hn::Add(hn::Mul(scale, s.xq), hn::Mul(at_zero, sum_x));
    const Mask valid = hn::And(has_codes, hn::Gt(scale, zero));
    best.keep(hn::And(valid, hn::Gt(gain, best.gain)), gain, scale, hn::Sub(zero, at_zero));
}

/// x = scale q by least squares.
HWY_INLINE void consider_scale(const Sums & s, BestLine & best) {
    const Mask has_codes = hn::Gt(s.qq, hn::Zero(kTag));
    const Vec scale = hn::Div(s.xq, hn::IfThenElse(has_codes, s.qq, set(1)));
    const Vec gain = hn::Mul(scale, s.xq);
    best.keep(hn::And(has_codes, hn::Gt(gain, best.gain)), gain, scale, best.minimum);
}

void fit_affine(const Groups & groups, float top, AffineFit & fit) {
    const Vec zero = hn::Zero(kTag), n = set(static_cast<float>(groups.n));
    for (int g = 0; g < kFitted; g += kWidth) {
        const Lanes lanes{groups, g};
        Vec least = zero, most = lanes.at(0), sum_x = zero;
        for (int j = 0; j < groups.n; ++j) {
            least = hn::Min(least, lanes.at(j));
            most = hn::Max(most, lanes.at(j));
            sum_x = hn::Add(sum_x, lanes.at(j));
        }
        const Vec range = hn::Sub(most, least), minimum = hn::Sub(zero, least);
        const Mask has_range = hn::Ge(range, set(kLeastFitted));
        BestLine best = no_line(minimum);
        for (float more = -2; more <= 2; more += 0.5f) {
            const Vec inverse = hn::IfThenElseZero(has_range, hn::Div(set(top + more), range));
            consider_line(lanes.sums(Rounded{minimum, inverse, zero, set(top)}), sum_x, n, best);
        }
        const Rounded again{best.minimum, inverse_of(best.scale), zero, set(top)};
        consider_line(lanes.sums(again), sum_x, n, best);
        hn::Store(best.scale, kTag, fit.scale + g);
        hn::Store(best.minimum, kTag, fit.minimum + g);
        hn::Store(sum_x, kTag, fit.sum_x + g);
    }
}

void fit_signed(const Groups & groups, float half, float * scale) {
    const Vec zero = hn::Zero(kTag), low = set(-half), high = set(half - 1);
    for (int g = 0; g < kFitted; g += kWidth) {
        const Lanes lanes{groups, g};
        const Vec largest = lanes.largest();
        const Mask has_weights = hn::Ge(hn::Abs(largest), set(kLeastFitted));
        BestLine best = no_line(zero);
        for (float more = -4; more <= 1.5f; more += 0.5f) {
            const Vec inverse = hn::IfThenElseZero(has_weights, hn::Div(set(-half - more), largest));
            consider_scale(lanes.sums(Rounded{zero, inverse, low, high}), best);
        }
        consider_scale(lanes.sums(Rounded{zero, inverse_of(best.scale), low, high}), best);
        hn::Store(best.scale, kTag, scale + g);
    }
}

void fit_units(const Groups & groups, const float * units, float * scale) {
    for (int g = 0; g < kFitted; g += kWidth) {
        const Lanes lanes{groups, g};
        const Vec largest = lanes.largest();
        const Mask has_weights = hn::Ge(hn::Abs(largest), set(kLeastFitted));
        BestLine best = no_line(hn::Zero(kTag));
        for (const float end : {units[0], units[15]}) {
            for (const float part : {0.8f, 0.9f, 1.0f, 1.1f}) {
                const Vec inverse = hn::IfThenElseZero(has_weights, hn::Div(set(end * part), largest));
                consider_scale(lanes.sums(Nearest{units, units, inverse}), best);
            }
        }
        best.scale = hn::IfThenElseZero(has_weights, best.scale);
        const Nearest again{units, units, inverse_of(best.scale)};
        consider_scale(lanes.sums(again), best);
        hn::Store(hn::IfThenElseZero(has_weights, best.scale), kTag, scale + g);
    }
}

void unit_errors(const Groups & groups, const float * scale, const float * units, float * error) {
    for (int g = 0; g < kFitted; g += kWidth) {
        const Lanes lanes{groups, g};
        const Nearest nearest{units, units, inverse_of(hn::LoadU(kTag, scale + g))};
        Vec sum = hn::Zero(kTag);
        for (int j = 0; j < groups.n; ++j) {
            const Vec e = hn::Sub(hn::Mul(lanes.at(j), nearest.inverse), nearest(lanes.at(j)));
            sum = hn::Add(sum, hn::Mul(e, e));
        }
        hn::StoreU(sum, kTag, error + g);
    }
}

/// Codes of every weight, stored as code(x) - `first`.
template <class Code>
HWY_INLINE void store_codes(const Lanes & lanes, const Code & code, Vec first, GroupCodes & to) {
    const hn::RebindToSigned<Tag> ints;
    const hn::Rebind<uint8_t, Tag> bytes;
    Sums s = no_sums();
    for (int j = 0; j < lanes.groups.n; ++j) {
        const Vec q = code(lanes.at(j));
        s.add(lanes.at(j), q);
        hn::StoreU(hn::DemoteTo(bytes, hn::ConvertTo(ints, hn::Sub(q, first))), bytes, to.code[j] + lanes.first);
    }
    hn::Store(s.q, kTag, to.q + lanes.first);
    hn::Store(s.qq, kTag, to.qq + lanes.first);
    hn::Store(s.xq, kTag, to.xq + lanes.first);
}

void affine_codes(const Groups & groups, const float * scale, const float * minimum, float top, GroupCodes & to) {
    const Vec zero = hn::Zero(kTag);
    for (int g = 0; g < kFitted; g += kWidth) {
        const Vec inverse = inverse_of(hn::LoadU(kTag, scale + g));
        const Rounded code{hn::LoadU(kTag, minimum + g), inverse, zero, set(top)};
        store_codes(Lanes{groups, g}, code, zero, to);
    }
}

void signed_codes(const Groups & groups, const float * scale, float half, GroupCodes & to) {
    for (int g = 0; g < kFitted; g += kWidth) {
        const Vec inverse = inverse_of(hn::LoadU(kTag, scale + g)), low = set(-half);
        store_codes(Lanes{groups, g}, Rounded{hn::Zero(kTag), inverse, low, set(half - 1)}, low, to);
    }
}

void unit_codes(const Groups & groups, const float * scale, const float * units, GroupCodes & to) {
    static constexpr float kNumbers[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    for (int g = 0; g < kFitted; g += kWidth) {
        const Vec inverse = inverse_of(hn::LoadU(kTag, scale + g));
        store_codes(Lanes{groups, g}, Nearest{units, kNumbers, inverse}, hn::Zero(kTag), to);
    }
}

}  // namespace HWY_NAMESPACE
}  // namespace ql
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql {
namespace {
HWY_EXPORT(fit_affine);
HWY_EXPORT(fit_signed);
HWY_EXPORT(fit_units);
HWY_EXPORT(affine_codes);
HWY_EXPORT(signed_codes);
HWY_EXPORT(unit_codes);
HWY_EXPORT(unit_errors);
}  // namespace

Groups::Groups(const float * weights, int n_weights, int count) : n(n_weights) {
    for (int j = 0; j < n; ++j)
        for (int g = 0; g < kFitted; ++g) x[j][g] = g < count ? weights[g * n + j] : 0;
}

void fit_affine(const Groups & groups, float top, AffineFit & fit) {
    HWY_DYNAMIC_DISPATCH(fit_affine)(groups, top, fit);
}
void affine_codes(const Groups & groups, const float * scale, const float * minimum, float top, GroupCodes & to) {
    HWY_DYNAMIC_DISPATCH(affine_codes)(groups, scale, minimum, top, to);
}
void fit_signed(const Groups & groups, float half, float * scale) {
    HWY_DYNAMIC_DISPATCH(fit_signed)(groups, half, scale);
}
void signed_codes(const Groups & groups, const float * scale, float half, GroupCodes & to) {
    HWY_DYNAMIC_DISPATCH(signed_codes)(groups, scale, half, to);
}
void fit_units(const Groups & groups, const float * units, float * scale) {
    HWY_DYNAMIC_DISPATCH(fit_units)(groups, units, scale);
}
void unit_errors(const Groups & groups, const float * scale, const float * units, float * error) {
    HWY_DYNAMIC_DISPATCH(unit_errors)(groups, scale, units, error);
}
void unit_codes(const Groups & groups, const float * scale, const float * units, GroupCodes & to) {
    HWY_DYNAMIC_DISPATCH(unit_codes)(groups, scale, units, to);
}

}  // namespace ql
#endif
