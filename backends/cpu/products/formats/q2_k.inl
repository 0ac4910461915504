// q2_K: a run has two groups, with a scale and a minimum each. Included by decode.inl within its namespaces.

template <>
struct Decoder<Q2_K> : BlockDecoder<Q2_K, 32> {
    HWY_INLINE explicit Decoder(const Weight & weight) : BlockDecoder(weight) {}

    template <class Emit>
    HWY_INLINE void decode(int64_t first, const Emit & emit) const {
        const auto & of = block(first);
        const int run = static_cast<int>(first / kRun % 8);
        const float d = from_half(of.d), dmin = from_half(of.dmin);
        for (int j = 0; j < kRun; j += kLanes) {
            const int packed = of.scales[run * 2 + j / 16];
            const Vec scale = hn::Set(kF32, d * static_cast<float>(packed & 15));
            const Vec low = hn::Set(kF32, dmin * static_cast<float>(packed >> 4));
            const VecU32 bytes = load_bytes(of.q + run / 4 * 32 + j);
            const VecU32 q = hn::And(hn::ShiftRightSame(bytes, run % 4 * 2), hn::Set(kU32, 3));
            emit(j, hn::Sub(hn::Mul(scale, to_float(q)), low));
        }
    }
};
