// q4_0: units are the codes less 8. Included by decode.inl within its namespaces.

template <>
struct Decoder<Q4_0> : BlockDecoder<Q4_0, 32> {
    HWY_INLINE explicit Decoder(const Weight & weight) : BlockDecoder(weight) {}

    HWY_INLINE float scale(int64_t run) const { return from_half(block(run * kRun).d); }

    template <class Emit>
    HWY_INLINE void units(int64_t run, const Emit & emit) const {
        const Vec eight = hn::Set(kF32, 8.0f);
        decode_nibbles(block(run * kRun).q, emit, [&](Vec q) HWY_ATTR { return hn::Sub(q, eight); });
    }

    template <class Emit>
    HWY_INLINE void decode(int64_t first, const Emit & emit) const {
        decode_scaled_units(*this, first / kRun, emit);
    }
};
