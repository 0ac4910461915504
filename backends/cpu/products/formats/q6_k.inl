// q6_K: a run has two groups, with a scale each. Included by decode.inl within its namespaces.

template <>
struct Decoder<Q6_K> : BlockDecoder<Q6_K, 32> {
    HWY_INLINE explicit Decoder(const Weight & weight) : BlockDecoder(weight) {}

    template <class Emit>
    HWY_INLINE void decode(int64_t first, const Emit & emit) const {
        const auto & of = block(first);
        const int run = static_cast<int>(first / kRun % 8), half = run / 4, quarter = run % 4;
        const float scale = from_half(of.d);
        for (int j = 0; j < kRun; j += kLanes) {
            const VecU32 low = load_bytes(of.low + half * 64 + quarter % 2 * 32 + j);
            const VecU32 high = load_bytes(of.high + half * 32 + j);
            const VecU32 four = hn::And(hn::ShiftRightSame(low, quarter / 2 * 4), hn::Set(kU32, 15));
            const VecU32 two = hn::And(hn::ShiftRightSame(high, quarter * 2), hn::Set(kU32, 3));
            const Vec q = hn::Sub(to_float(hn::Or(four, hn::ShiftLeft<4>(two))), hn::Set(kF32, 32.0f));
            emit(j, hn::Mul(hn::Set(kF32, scale * static_cast<float>(of.scales[run * 2 + j / 16])), q));
        }
    }
};
