// q8_0: units are the codes. Included by decode.inl within its namespaces.

template <>
struct Decoder<Q8_0> : BlockDecoder<Q8_0, 32> {
    HWY_INLINE explicit Decoder(const Weight & weight) : BlockDecoder(weight) {}

    HWY_INLINE float scale(int64_t run) const { return from_half(block(run * kRun).d); }

    template <class Emit>
    HWY_INLINE void units(int64_t run, const Emit & emit) const {
        const auto & of = block(run * kRun);
        for (int j = 0; j < kRun; j += kLanes) {
            const auto q = hn::PromoteTo(kI32, hn::LoadU(hn::Rebind<int8_t, TagF32>(), of.q + j));
            emit(j, hn::ConvertTo(kF32, q));
        }
    }

    template <class Emit>
    HWY_INLINE void decode(int64_t first, const Emit & emit) const {
        decode_scaled_units(*this, first / kRun, emit);
    }
};
