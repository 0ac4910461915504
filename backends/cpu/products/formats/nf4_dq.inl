// nf4_dq: nf4's codes, and scales that are decoded themselves. Included by decode.inl within its namespaces.

template <>
struct Decoder<NF4_DQ> : NF4Decoder<NF4DQLayout> {
    HWY_INLINE explicit Decoder(const Weight & weight) : NF4Decoder(weight) {}

    HWY_INLINE float scale(int64_t run) const { return at.absmax(run); }

    template <class Emit>
    HWY_INLINE void decode(int64_t first, const Emit & emit) const {
        decode_nf4_block(block_codes(first / kRun), scale(first / kRun), emit);
    }
};
