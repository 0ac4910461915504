// q5_K: as q4_K, with a fifth bit. Included by decode.inl within its namespaces.

template <>
struct Decoder<Q5_K> : BlockDecoder<Q5_K, 32> {
    HWY_INLINE explicit Decoder(const Weight & weight) : BlockDecoder(weight) {}

    template <class Emit>
    HWY_INLINE void decode(int64_t first, const Emit & emit) const {
        const auto & of = block(first);
        const int group = static_cast<int>(first / kRun % 8), shift = group % 2 * 4;
        const KScale s = k_scale(of.scales, group);
        const Vec scale = hn::Set(kF32, from_half(of.d) * static_cast<float>(s.scale));
        const Vec low = hn::Set(kF32, from_half(of.dmin) * static_cast<float>(s.min));
        for (int j = 0; j < kRun; j += kLanes) {
            const VecU32 bytes = load_bytes(of.low + group / 2 * 32 + j);
            const VecU32 four = hn::And(hn::ShiftRightSame(bytes, shift), hn::Set(kU32, 15));
            const VecU32 fifth = hn::And(hn::ShiftRightSame(load_bytes(of.high + j), group), hn::Set(kU32, 1));
            emit(j, hn::Sub(hn::Mul(scale, to_float(hn::Or(four, hn::ShiftLeft<4>(fifth)))), low));
        }
    }
};
