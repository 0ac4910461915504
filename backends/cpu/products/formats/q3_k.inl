// q3_K: a run has two groups, with a scale each. Included by decode.inl within its namespaces.

template <>
struct Decoder<Q3_K> : BlockDecoder<Q3_K, 32> {
    HWY_INLINE explicit Decoder(const Weight & weight) : BlockDecoder(weight) {}

    template <class Emit>
    HWY_INLINE void decode(int64_t first, const Emit & emit) const {
        const auto & of = block(first);
        const int run = static_cast<int>(first / kRun % 8);
        const float d = from_half(of.d);
        for (int j = 0; j < kRun; j += kLanes) {
            const VecU32 low = load_bytes(of.low + run / 4 * 32 + j), high = load_bytes(of.high + j);
            const VecU32 two = hn::And(hn::ShiftRightSame(low, run % 4 * 2), hn::Set(kU32, 3));
            const VecU32 third = hn::And(hn::ShiftRightSame(high, run), hn::Set(kU32, 1));
            const Vec q = hn::Sub(to_float(hn::Or(two, hn::ShiftLeft<2>(third))), hn::Set(kF32, 4.0f));
            emit(j, hn::Mul(hn::Set(kF32, d * static_cast<float>(Q3_K::scale(of, run * 2 + j / 16))), q));
        }
    }
};
