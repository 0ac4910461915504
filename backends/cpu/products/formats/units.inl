// The formats of ggml/dtypes/unit_blocks.hpp: whole units, 32 in a run, and a scale for each half of it. Included by
// decode.inl within its namespaces.
//
// How a format's units are found is its own, scalar code, which the compiler may not make vectors of: for those whose
// codes are looked up in sixteen values (iq4_xs, mxfp4, nvfp4) there is a lookup in vectors below.

/// A run's units times its scales.
template <class Emit>
HWY_INLINE void emit_units(const int8_t * q, const float * scales, const Emit & emit) {
    for (int j = 0; j < kUnitRun; j += kLanes) {
        const auto unit = hn::PromoteTo(kI32, hn::LoadU(hn::Rebind<int8_t, TagF32>(), q + j));
        emit(j, hn::Mul(hn::Set(kF32, scales[j / 16]), hn::ConvertTo(kF32, unit)));
    }
}

/// Of 16 bytes the values of their low halves to q[0..15], of the high halves to q[16..31].
HWY_INLINE void look_up_nibbles_in_vectors(const uint8_t * codes, const int8_t * values, int8_t * q) {
#if HWY_TARGET == HWY_SCALAR
    look_up_nibbles(codes, values, q);
#else
    const hn::FixedTag<uint8_t, 16> bytes;
    const hn::FixedTag<int8_t, 16> units;
    const auto table = hn::LoadU(units, values);
    const auto both = hn::LoadU(bytes, codes);
    hn::StoreU(hn::TableLookupBytes(table, hn::BitCast(units, hn::And(both, hn::Set(bytes, 15)))), units, q);
    hn::StoreU(hn::TableLookupBytes(table, hn::BitCast(units, hn::ShiftRight<4>(both))), units, q + 16);
#endif
}

template <class Format>
requires Format::has_units struct Decoder<Format> : BlockDecoder<Format, kUnitRun> {
    using Base = BlockDecoder<Format, kUnitRun>;
    HWY_INLINE explicit Decoder(const Weight & weight) : Base(weight) {}

    template <class Emit>
    HWY_INLINE void decode(int64_t first, const Emit & emit) const {
        const auto & of = this->block(first);
        const int run = static_cast<int>(first / kUnitRun % (Format::block_length / kUnitRun));
        alignas(64) int8_t q[kUnitRun];
        float scales[2];
        Format::units(of, run, q);
        Format::scales(of, run, scales);
        emit_units(q, scales, emit);
    }
};

template <>
struct Decoder<IQ4_XS> : BlockDecoder<IQ4_XS, kUnitRun> {
    HWY_INLINE explicit Decoder(const Weight & weight) : BlockDecoder(weight) {}

    template <class Emit>
    HWY_INLINE void decode(int64_t first, const Emit & emit) const {
        const auto & of = block(first);
        const int run = static_cast<int>(first / kUnitRun % 8);
        alignas(64) int8_t q[kUnitRun];
        look_up_nibbles_in_vectors(of.q + run * 16, kIQ4Units, q);
        const float scale = from_half(of.d) * static_cast<float>(IQ4_XS::group_scale(of, run));
        const float scales[2] = {scale, scale};
        emit_units(q, scales, emit);
    }
};

template <>
struct Decoder<MXFP4> : BlockDecoder<MXFP4, kUnitRun> {
    HWY_INLINE explicit Decoder(const Weight & weight) : BlockDecoder(weight) {}

    template <class Emit>
    HWY_INLINE void decode(int64_t first, const Emit & emit) const {
        const auto & of = block(first);
        alignas(64) int8_t q[kUnitRun];
        look_up_nibbles_in_vectors(of.q, kFloat4Units, q);
        const float scale = MXFP4::half_power(of.e), scales[2] = {scale, scale};
        emit_units(q, scales, emit);
    }
};
