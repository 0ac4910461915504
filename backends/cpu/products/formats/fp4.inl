// fp4: nf4's planes, and units that are looked up one by one. Included by decode.inl within its namespaces.

template <>
struct Decoder<FP4> {
    static constexpr int kRun = FP4::block_length;

    const NF4Layout at;
    HWY_INLINE explicit Decoder(const Weight & w) : at(w.data, w.elements()) {}

    HWY_INLINE float scale(int64_t run) const { return at.absmax[run]; }
    HWY_INLINE const char * codes(int64_t run) const {
        return reinterpret_cast<const char *>(at.codes + run * FP4::block_code_bytes);
    }

    template <class Emit>
    HWY_INLINE void units(int64_t run, const Emit & emit) const {
        const uint8_t * codes = at.codes + run * FP4::block_code_bytes;
        const auto look_up = [](VecU32 code)
                                 HWY_ATTR { return hn::GatherIndex(kF32, kFP4Values, hn::BitCast(kI32, code)); };
        for (int j = 0; j < 32; j += kLanes) {
            const VecU32 bytes = load_bytes(codes + j);
            emit(j, look_up(hn::And(bytes, hn::Set(kU32, 15))));
            emit(j + 32, look_up(hn::ShiftRight<4>(bytes)));
        }
    }

    template <class Emit>
    HWY_INLINE void decode(int64_t first, const Emit & emit) const {
        decode_scaled_units(*this, first / kRun, emit);
    }
};
