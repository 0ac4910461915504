// Panels of integers. Compiled once for each instruction set; included like vec.inl.
//
// A weight is decoded to f32 in the cache and rounded from there, a block of as many columns as a vector has lanes at a
// time. Its rows are the panel's steps in the backward product; forward they are its columns, and are transposed first.
#if defined(QL_CPU_PANEL_CODED_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef QL_CPU_PANEL_CODED_INL
#undef QL_CPU_PANEL_CODED_INL
#else
#define QL_CPU_PANEL_CODED_INL
#endif

#include <algorithm>
#include <bit>

#include "backends/cpu/products/coded_blocks.inl"
#include "backends/cpu/products/decode.hpp"
#include "backends/cpu/products/transpose.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

/// A term's share of a panel: coded_panel.hpp.
struct PanelCoded {
    int32_t * units;
    float * scales;
    int32_t * starts;
};

/// Steps [p0, p0 + depth) of a term for the columns of a group. Code: what its codes are held in.
template <class Code>
class PackerCoded {
  public:
    PackerCoded(const Coding & of, const Term<std::byte> & t)
        : of_(of),
          w_(t.w),
          side_(t.side),
          scale_(of.rotates ? t.scale * kRotatedScale : t.scale),
          decode_(span_decoder(t.w.dtype)),
          blocks_(packed_blocks(t.w.dtype)) {}

    void pack(int64_t group, int64_t p0, int64_t depth, const PanelCoded & to) const {
        if (side_ == Side::forward) {
            for (int64_t i = 0; i < kGroup; i += kLanes) pack_columns(group * kGroup + i, p0, depth, from(to, 0, i));
            return;
        }
        const int64_t span = std::max(of_.block, kCodedSteps);
        for (int64_t p = 0; p < depth; p += span)
            pack_rows(group * kGroup, p0 + p, std::min(span, depth - p), from(to, p, 0));
    }

  private:
    static constexpr int64_t kPerUnit = sizeof(int32_t) / sizeof(Code);
    static constexpr bool kBytes = sizeof(Code) == 1;
    static constexpr int64_t kSpan = 256;  // the longest block, and every format's
    static_assert(kInt16.block <= kSpan && kSpan % kInt8.block == 0);

    /// A panel from step p, the first of a block, and column j on.
    PanelCoded from(const PanelCoded & to, int64_t p, int64_t j) const {
        const int64_t block = p / of_.block * kGroup + j;
        return {to.units + p / kPerUnit * kGroup + j, to.scales + block, to.starts + block};
    }

    /// W's rows p0 to p0 + depth, of whole blocks or the last: steps of the panel.
    void pack_rows(int64_t column, int64_t p0, int64_t depth, const PanelCoded & to) const {
        HWY_ALIGN float rows[kSpan * kGroup];
        const int64_t n = std::min(kGroup, w_.k - column), whole = coded_steps(depth);
        for (int64_t p = 0; p < depth; ++p) {
            fetch_packed(w_, blocks_, (p0 + p) * w_.k + column + n, n);  // what the next group begins with
            decode_(w_, (p0 + p) * w_.k + column, n, rows + p * kGroup);
            std::fill(rows + p * kGroup + n, rows + (p + 1) * kGroup, 0.0f);
        }
        std::fill(rows + depth * kGroup, rows + whole * kGroup, 0.0f);
        for (int64_t p = 0; p < whole; p += of_.block)
            for (int64_t j = 0; j < kGroup; j += kLanes)
                code_columns<kGroup>(rows + p * kGroup + j, std::min(of_.block, whole - p), from(to, p, j));
    }

    /// W's rows from `row` on, kLanes of them: columns of the panel.
    void pack_columns(int64_t row, int64_t p0, int64_t depth, const PanelCoded & to) const {
        HWY_ALIGN float rows[kLanes * kSpan], steps[kSpan * kLanes];
        const int64_t n = std::min<int64_t>(kLanes, w_.m - row);
        if (n <= 0) return;  // whatever the sums are there, they are not stored
        if (n < kLanes) std::fill_n(rows, kLanes * kSpan, 0.0f);
        for (int64_t s = 0; s < depth; s += kSpan) {
            const int64_t count = std::min(kSpan, depth - s), whole = coded_steps(count);
            for (int64_t r = 0; r < n; ++r) {
                fetch_packed(w_, blocks_, (row + r + kGroup) * w_.k + p0 + s, count);
                decode_(w_, (row + r) * w_.k + p0 + s, count, rows + r * kSpan);
                std::fill(rows + r * kSpan + count, rows + r * kSpan + whole, 0.0f);
            }
            for (int64_t i = 0; i < whole; i += of_.block) {
                const int64_t block = std::min(of_.block, whole - i);
                for (int64_t p = 0; p < block; p += kLanes) transpose<kLanes>(rows + i + p, kSpan, steps + p * kLanes);
                code_columns<kLanes>(steps, block, from(to, s + i, 0));
            }
        }
    }

    /// A block of kLanes columns. x [n][kStride].
    template <int64_t kStride>
    void code_columns(float * x, int64_t n, const PanelCoded & to) const {
        if (of_.rotates) rotate_columns<kStride>(x);
        VecI32 largest = hn::Zero(kI32),
               sum = hn::Set(kI32, static_cast<int32_t>(-n * std::bit_cast<int32_t>(kRounder)));
        for (int64_t p = 0; p < n; ++p) largest = hn::Max(largest, magnitude_bits(hn::Load(kF32, x + p * kStride)));
        const BlockScales s = block_scales(of_, largest);
        hn::StoreU(hn::Mul(s.scale, hn::Set(kF32, scale_)), kF32, to.scales);
        const auto code = [&](int64_t p) HWY_ATTR {
            const Vec rounded = hn::Add(hn::Mul(hn::Load(kF32, x + p * kStride), s.inverse), hn::Set(kF32, kRounder));
            const VecI32 c = hn::BitCast(kI32, rounded);  // the code in its low bits
            sum = hn::Add(sum, c);
            return c;
        };
        for (int64_t p = 0; p < n; p += kPerUnit) {
            VecI32 unit;
            const auto low_halves = [](VecI32 even, VecI32 odd) HWY_ATTR {
                return hn::Or(hn::And(even, hn::Set(kI32, 0xffff)), hn::ShiftLeft<16>(odd));
            };
            if constexpr (kBytes) {
                const VecI32 c0 = code(p), c1 = code(p + 1), c2 = code(p + 2), c3 = code(p + 3);
                const VecI32 even = hn::And(low_halves(c0, c2), hn::Set(kI32, 0x00ff00ff));
                unit = hn::Or(even, hn::ShiftLeft<8>(hn::And(low_halves(c1, c3), hn::Set(kI32, 0x00ff00ff))));
            } else {
                const VecI32 even = code(p), odd = code(p + 1);
                unit = low_halves(even, odd);
            }
            hn::StoreU(unit, kI32, to.units + p / kPerUnit * kGroup);
        }
        if (kBytes) hn::StoreU(hn::Mul(sum, hn::Set(kI32, -kByteBias)), kI32, to.starts);
    }

    const Coding & of_;
    const Weight w_;
    const Side side_;
    const float scale_;
    const SpanDecoder decode_;
    const PackedBlocks blocks_;
};

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#endif
