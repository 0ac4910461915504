// q4_K: a run is a group, with a scale and a minimum of 6 bits. Included by decode.inl within its namespaces.

template <>
struct Decoder<Q4_K> : BlockDecoder<Q4_K, 32> {
    HWY_INLINE explicit Decoder(const Weight & weight) : BlockDecoder(weight) {}

    template <class Emit>
    HWY_INLINE void decode(int64_t first, const Emit & emit) const {
        const auto & of = block(first);
        const int group = static_cast<int>(first / kRun % 8), shift = group % 2 * 4;
        const KScale s = k_scale(of.scales, group);
        const Vec scale = hn::Set(kF32, from_half(of.d) * static_cast<float>(s.scale));
        const Vec low = hn::Set(kF32, from_half(of.dmin) * static_cast<float>(s.min));
        for (int j = 0; j < kRun; j += kLanes) {
            const VecU32 bytes = load_bytes(of.q + group / 2 * 32 + j);
            const VecU32 q = hn::And(hn::ShiftRightSame(bytes, shift), hn::Set(kU32, 15));
            emit(j, hn::Sub(hn::Mul(scale, to_float(q)), low));
        }
    }
};
