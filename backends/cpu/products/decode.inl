// The formats' decoders in vectors, one source for every instruction set, each in a file of its own under formats/. The
// values are those of ggml/dtypes, bit for bit: every operation there is rounded by itself, and so it is here.
//
// A format's Decoder is made for a weight, finds its planes once, and decodes it a run at a time: kRun elements, 64 or
// 32, from a multiple of so many.
//     decode(first, emit)  calls emit(offset, vector) for each vector of the run from element `first`; offsets in
//                          [0, kRun)
// Where values are a scale times a unit, and a run has one scale, a decoder also has the two apart, by number of run:
//     units(run, emit)     as decode, without the scale
//     scale(run)
//     codes(run)           where the run's bytes begin, for a prefetch
// What happens to a vector - stored, or multiplied at once - is the caller's: see decode.cpp and gemv.cpp.
#if defined(QL_CPU_DECODE_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef QL_CPU_DECODE_INL
#undef QL_CPU_DECODE_INL
#else
#define QL_CPU_DECODE_INL
#endif

#include <bit>

#include "backends/cpu/products/weight.hpp"
#include "backends/cpu/vec.inl"
#include "ggml/dtypes/k_scales.hpp"
#include "ggml/dtypes/visit.hpp"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

/// The base of a decoder whose format's blocks lie one after the other.
template <class Format, int run>
struct BlockDecoder {
    static constexpr int kRun = run;
    static constexpr int64_t kRunBytes =
        static_cast<int64_t>(sizeof(typename Format::Block)) * run / Format::block_length;

    const Weight & w;
    HWY_INLINE explicit BlockDecoder(const Weight & weight) : w(weight) {}
    /// The block of an element.
    HWY_INLINE const auto & block(int64_t element) const {
        return static_cast<const typename Format::Block *>(w.data)[element / Format::block_length];
    }
    HWY_INLINE const char * codes(int64_t number) const { return reinterpret_cast<const char *>(&block(number * run)); }
};

/// Formats without a file of their own under formats/, such as q5_0 and q5_1: they are rare, and go through the scalar
/// decoder.
template <class Format>
struct Decoder : BlockDecoder<Format, Format::block_length == 1 ? 64 : 32> {
    using Base = BlockDecoder<Format, Format::block_length == 1 ? 64 : 32>;
    HWY_INLINE explicit Decoder(const Weight & weight) : Base(weight) {}

    template <class Emit>
    HWY_INLINE void decode(int64_t first, const Emit & emit) const {
        HWY_ALIGN float buffer[Base::kRun];
        Format::decode(this->w.data, this->w.elements(), first, Base::kRun, buffer);
        for (int j = 0; j < Base::kRun; j += kLanes) emit(j, hn::Load(kF32, buffer + j));
    }
};

template <class D>
concept HasUnits = requires(const D & decoder) {
    decoder.scale(int64_t{});
};

/// Decoders whose scales few-token products decode a row ahead of its codes: those of nf4 and nf4_dq (gemv_rows.hpp).
template <class D>
concept HasScalesApart = D::kScalesApart;

/// decode() of a format with units: run number `run`.
template <class D, class Emit>
HWY_INLINE void decode_scaled_units(const D & decoder, int64_t run, const Emit & emit) {
    const Vec scale = hn::Set(kF32, decoder.scale(run));
    decoder.units(run, [&](int j, Vec unit) HWY_ATTR { emit(j, hn::Mul(scale, unit)); });
}

/// A block's scale, by the processor's own conversion where it has one.
HWY_INLINE float from_half(uint16_t bits) {
    if constexpr (!kConvertsF16) return f16_to_f32(bits);
    const hn::CappedTag<float, 1> d;
    hwy::float16_t half;
    hwy::CopyBytes<sizeof(half)>(&bits, &half);
    return hn::GetLane(hn::PromoteTo(d, hn::LoadU(hn::Rebind<hwy::float16_t, decltype(d)>(), &half)));
}

HWY_INLINE VecU32 load_bytes(const uint8_t * p) {
    return hn::PromoteTo(kU32, hn::LoadU(hn::Rebind<uint8_t, TagF32>(), p));
}
HWY_INLINE Vec to_float(VecU32 small) {
    return hn::ConvertTo(kF32, hn::BitCast(kI32, small));
}

/// 16 bytes of codes, element j in the low and j + 16 in the high half of byte j, each given to f (as code, offset).
template <class Emit, class F>
HWY_INLINE void decode_nibbles(const uint8_t * codes, const Emit & emit, const F & f) {
    for (int j = 0; j < 16; j += kLanes) {
        const VecU32 bytes = load_bytes(codes + j);
        emit(j, f(to_float(hn::And(bytes, hn::Set(kU32, 15)))));
        emit(j + 16, f(to_float(hn::ShiftRight<4>(bytes))));
    }
}

#include "backends/cpu/products/formats/bf16.inl"
#include "backends/cpu/products/formats/f16.inl"
#include "backends/cpu/products/formats/f32.inl"
#include "backends/cpu/products/formats/fp4.inl"
#include "backends/cpu/products/formats/iq4_nl.inl"
#include "backends/cpu/products/formats/nf4.inl"
#include "backends/cpu/products/formats/nf4_dq.inl"
#include "backends/cpu/products/formats/q2_k.inl"
#include "backends/cpu/products/formats/q3_k.inl"
#include "backends/cpu/products/formats/q4_0.inl"
#include "backends/cpu/products/formats/q4_1.inl"
#include "backends/cpu/products/formats/q4_k.inl"
#include "backends/cpu/products/formats/q5_k.inl"
#include "backends/cpu/products/formats/q6_k.inl"
#include "backends/cpu/products/formats/q8_0.inl"
#include "backends/cpu/products/formats/units.inl"

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#endif
