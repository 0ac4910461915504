// f16, widened by the processor's own conversion where it has one. Included by decode.inl within its namespaces.

template <>
struct Decoder<F16> : BlockDecoder<F16, 64> {
    HWY_INLINE explicit Decoder(const Weight & weight) : BlockDecoder(weight) {}

    template <class Emit>
    HWY_INLINE void decode(int64_t first, const Emit & emit) const {
        const auto * p = reinterpret_cast<const hwy::float16_t *>(&block(first));
        for (int j = 0; j < kRun; j += kLanes) emit(j, load_part(p + j, kLanes));
    }
};
