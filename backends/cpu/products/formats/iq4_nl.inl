// iq4_nl: units are the values that codes stand for. Included by decode.inl within its namespaces.

template <>
struct Decoder<IQ4_NL> : BlockDecoder<IQ4_NL, 32> {
    HWY_INLINE explicit Decoder(const Weight & weight) : BlockDecoder(weight) {}

    HWY_INLINE float scale(int64_t run) const { return from_half(block(run * kRun).d); }

    template <class Emit>
    HWY_INLINE void units(int64_t run, const Emit & emit) const {
        const uint8_t * codes = block(run * kRun).q;
        const auto look_up = [](VecU32 code)
                                 HWY_ATTR { return hn::GatherIndex(kF32, kIQ4Values, hn::BitCast(kI32, code)); };
        for (int j = 0; j < 16; j += kLanes) {
            const VecU32 bytes = load_bytes(codes + j);
            emit(j, look_up(hn::And(bytes, hn::Set(kU32, 15))));
            emit(j + 16, look_up(hn::ShiftRight<4>(bytes)));
        }
    }

    template <class Emit>
    HWY_INLINE void decode(int64_t first, const Emit & emit) const {
        decode_scaled_units(*this, first / kRun, emit);
    }
};
