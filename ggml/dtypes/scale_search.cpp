// Split: none, a block at a time. 3 x 16 candidates look at a block's weights, which stay in L1. nf4, Zen 5, one thread,
// ns a weight: 18 (AVX-512), 27 (AVX2), 61 (baseline); encoding by the largest weight takes 1.1.
#include "ggml/dtypes/scale_search.hpp"

#include <algorithm>
#include <cmath>

#include "ggml/dtypes/codebook.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ggml/dtypes/scale_search.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace ql {
namespace HWY_NAMESPACE {
#if HWY_TARGET == HWY_EMU128 || HWY_TARGET == HWY_SCALAR
// No vectors of Highway's: loops that the compiler turns into those of the baseline.

struct NearestNF4 {
    static void of(const float * v, float * u) {
        int32_t code[kCandidates];
        for (int i = 0; i < kCandidates; ++i) code[i] = nf4_code(v[i]);
        for (int i = 0; i < kCandidates; ++i) u[i] = kNF4Codebook[code[i]];
    }
};

struct NearestQ4_0 {
    static void of(const float * v, float * u) {
        for (int i = 0; i < kCandidates; ++i) {
            const float shifted = std::min(std::max(v[i] + 8.5f, 0.0f), 15.0f);
            u[i] = static_cast<float>(static_cast<int>(shifted)) - 8.0f;
        }
    }
};

template <class Nearest>
void sum_candidates(const ScaleSearch & block, const float * inverse, CandidateSums & to) {
    to = {};
    for (int j = 0; j < block.n; ++j) {
        float v[kCandidates], u[kCandidates];
        for (int i = 0; i < kCandidates; ++i) v[i] = block.x[j] * inverse[i];
        Nearest::of(v, u);
        for (int i = 0; i < kCandidates; ++i) {
            to.wxu[i] += block.wx[j] * u[i];
            to.wuu[i] += block.w[j] * (u[i] * u[i]);
        }
    }
}
#else
namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::CappedTag<float, kCandidates>;
using Vec = hn::Vec<Tag>;
constexpr Tag kTag;
constexpr hn::RebindToSigned<Tag> kInts;

/// The codebook's value that v is encoded as: as in NF4::encode, v on a threshold takes the lower one.
struct NearestNF4 {
#if HWY_MAX_BYTES == 64
    // A binary search: the index's bits from the highest on. Lane 15 of the thresholds is not looked at.
    Vec codebook, thresholds;
    HWY_INLINE NearestNF4()
        : codebook(hn::LoadU(kTag, kNF4Codebook)),
          thresholds(hn::MaskedLoad(hn::FirstN(kTag, 15), kTag, kNF4Thresholds)) {}

    HWY_INLINE Vec operator()(Vec v) const {
        auto code =
            hn::IfThenElseZero(hn::RebindMask(kInts, hn::Gt(v, hn::Set(kTag, kNF4Thresholds[7]))), hn::Set(kInts, 8));
        HWY_UNROLL(3)
        for (int step = 4; step > 0; step /= 2) {
            const auto probe = hn::Add(code, hn::Set(kInts, step - 1));
            const auto above = hn::Gt(v, hn::TableLookupLanes(thresholds, hn::IndicesFromVec(kTag, probe)));
            code = hn::Add(code, hn::IfThenElseZero(hn::RebindMask(kInts, above), hn::Set(kInts, step)));
        }
        return hn::TableLookupLanes(codebook, hn::IndicesFromVec(kTag, code));
    }
#else
    HWY_INLINE Vec operator()(Vec v) const {
        Vec unit = hn::Set(kTag, kNF4Codebook[0]);
        HWY_UNROLL(15)
        for (int i = 0; i < 15; ++i)
            unit =
                hn::IfThenElse(hn::Gt(v, hn::Set(kTag, kNF4Thresholds[i])), hn::Set(kTag, kNF4Codebook[i + 1]), unit);
        return unit;
    }
#endif
};

/// -8 .. 7: trunc(v + 8.5) - 8, as in q4_0.hpp.
struct NearestQ4_0 {
    HWY_INLINE Vec operator()(Vec v) const {
        const Vec shifted = hn::Max(hn::Add(v, hn::Set(kTag, 8.5f)), hn::Zero(kTag));
        const auto code = hn::ConvertTo(kInts, hn::Min(shifted, hn::Set(kTag, 15.0f)));
        return hn::Sub(hn::ConvertTo(kTag, code), hn::Set(kTag, 8.0f));
    }
};

template <class Nearest>
void sum_candidates(const ScaleSearch & block, const float * inverse, CandidateSums & to) {
    const Nearest nearest;
    for (size_t i = 0; i < kCandidates; i += hn::Lanes(kTag)) {
        const Vec t = hn::LoadU(kTag, inverse + i);
        Vec wxu = hn::Zero(kTag), wuu = hn::Zero(kTag);
        for (int j = 0; j < block.n; ++j) {
            const Vec u = nearest(hn::Mul(hn::Set(kTag, block.x[j]), t));
            wxu = hn::Add(wxu, hn::Mul(hn::Set(kTag, block.wx[j]), u));
            wuu = hn::Add(wuu, hn::Mul(hn::Set(kTag, block.w[j]), hn::Mul(u, u)));
        }
        hn::StoreU(wxu, kTag, to.wxu + i);
        hn::StoreU(wuu, kTag, to.wuu + i);
    }
}
#endif

void sum_nf4(const ScaleSearch & block, const float * inverse, CandidateSums & to) {
    sum_candidates<NearestNF4>(block, inverse, to);
}
void sum_q4_0(const ScaleSearch & block, const float * inverse, CandidateSums & to) {
    sum_candidates<NearestQ4_0>(block, inverse, to);
}

}  // namespace HWY_NAMESPACE
}  // namespace ql
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql {
namespace {
HWY_EXPORT(sum_nf4);
HWY_EXPORT(sum_q4_0);

using SumCandidates = void (*)(const ScaleSearch &, const float *, CandidateSums &);

struct Best {
    float scale = 0, gain = 0;  // gain: what of sum w x^2 the units explain
};

void improve(Best & best, const ScaleSearch & block, const float * scales, SumCandidates sum) {
    alignas(64) float inverse[kCandidates];
    for (int i = 0; i < kCandidates; ++i) inverse[i] = 1 / scales[i];
    CandidateSums sums;
    sum(block, inverse, sums);
    for (int i = 0; i < kCandidates; ++i) {
        const float scale = sums.wxu[i] / sums.wuu[i], gain = sums.wxu[i] * scale;  // NaN where all units are 0
        if (gain > best.gain) best = {scale, gain};
    }
}

/// `unit`: the largest magnitude of the format's units.
float search(const ScaleSearch & block, float unit, float lowest, float highest, SumCandidates sum) {
    Best best;
    const float step = (highest - lowest) / (kCandidates - 1);
    float scales[kCandidates];
    for (const float sign : {1.0f, -1.0f}) {
        for (int i = 0; i < kCandidates; ++i) scales[i] = sign * (lowest + step * static_cast<float>(i)) / unit;
        improve(best, block, scales, sum);
    }
    if (best.gain == 0) return 0;
    const float around = best.scale;
    for (int i = 0; i < kCandidates; ++i)  // the ninth is `around`: its own units once more
        scales[i] = around * (1 + step / kCandidates * static_cast<float>(i - kCandidates / 2));
    improve(best, block, scales, sum);
    return best.scale;
}

}  // namespace

double weighted_error(const float * x, const float * decoded, int64_t n, const float * importance) {
    double sum = 0;
    for (int64_t j = 0; j < n; ++j) {
        const double e = static_cast<double>(x[j]) - static_cast<double>(decoded[j]);
        sum += importance ? static_cast<double>(importance[j]) * e * e : e * e;
    }
    return sum;
}

ScaleSearch::ScaleSearch(const float * weights, int count, float most, const float * importance) : n(count) {
    const float inverse = 1 / most;
    float squares = 0;
    for (int j = 0; j < n; ++j) {
        x[j] = weights[j] * inverse;
        squares += x[j] * x[j];
    }
    const float mean = squares / static_cast<float>(n);
    const float largest = importance ? *std::max_element(importance, importance + n) : 0;  // 0: all count the same
    for (int j = 0; j < n; ++j) {
        w[j] = std::sqrt(mean + x[j] * x[j]);
        if (largest > 0) w[j] *= importance[j] / largest;
        wx[j] = w[j] * x[j];
    }
}

// The lowest scales cut the largest weights off, the highest leave the outer units unused.
float search_nf4_scale(const ScaleSearch & block) {
    return search(block, 1, 0.7f, 1.5f, HWY_DYNAMIC_DISPATCH(sum_nf4));
}

float search_q4_0_scale(const ScaleSearch & block) {
    return search(block, 8, 0.7f, 1.5f, HWY_DYNAMIC_DISPATCH(sum_q4_0));
}

}  // namespace ql
#endif
