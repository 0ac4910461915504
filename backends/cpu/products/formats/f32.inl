// f32: as it lies in memory. Included by decode.inl within its namespaces.

template <>
struct Decoder<F32> : BlockDecoder<F32, 64> {
    HWY_INLINE explicit Decoder(const Weight & weight) : BlockDecoder(weight) {}

    template <class Emit>
    HWY_INLINE void decode(int64_t first, const Emit & emit) const {
        const float * p = &block(first);
        for (int j = 0; j < kRun; j += kLanes) emit(j, hn::LoadU(kF32, p + j));
    }
};
