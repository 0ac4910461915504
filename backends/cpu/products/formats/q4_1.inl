// q4_1: a scale and a minimum. Included by decode.inl within its namespaces.

template <>
struct Decoder<Q4_1> : BlockDecoder<Q4_1, 32> {
    HWY_INLINE explicit Decoder(const Weight & weight) : BlockDecoder(weight) {}

    template <class Emit>
    HWY_INLINE void decode(int64_t first, const Emit & emit) const {
        const auto & of = block(first);
        const Vec scale = hn::Set(kF32, from_half(of.d)), low = hn::Set(kF32, from_half(of.m));
        decode_nibbles(of.q, emit, [&](Vec q) HWY_ATTR { return hn::Add(hn::Mul(scale, q), low); });
    }
};
