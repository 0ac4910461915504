// nf4: codes of either nf4 format looked up in vectors, and nf4 itself. Included by decode.inl within its namespaces.

// The values that 32 bytes of codes stand for, of a codebook that may have been multiplied by a scale. No index is
// masked: permutes look at the lowest bits alone. Highway says so of each of its targets' tables, not in general.
#if HWY_MAX_BYTES == 64
template <class Emit>
HWY_INLINE void decode_nf4_codes(const uint8_t * codes, Vec codebook, const Emit & emit) {
    const auto look_up = [&](VecU32 index)
                             HWY_ATTR { return hn::TableLookupLanes(codebook, hn::Indices512<float>{index.raw}); };
    for (int j = 0; j < 32; j += kLanes) {
        const VecU32 bytes = load_bytes(codes + j);
        emit(j, look_up(bytes));
        emit(j + 32, look_up(hn::ShiftRight<4>(bytes)));
    }
}
template <class Emit>
HWY_INLINE void decode_nf4_units(const uint8_t * codes, const Emit & emit) {
    decode_nf4_codes(codes, hn::LoadU(kF32, kNF4Codebook), emit);
}
template <class Emit>
HWY_INLINE void decode_nf4_block(const uint8_t * codes, float absmax, const Emit & emit) {
    decode_nf4_codes(codes, hn::Mul(hn::LoadU(kF32, kNF4Codebook), hn::Set(kF32, absmax)), emit);
}
#else
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_NEON
// A lookup of bytes takes 16 or 32 codes at once: the four bytes of each value are looked up apart and interleaved.
// This is a third of the work of lookups of floats, whose tables have half the codebook each.
using TagU8 = hn::Repartition<uint8_t, TagF32>;
using VecU8 = hn::Vec<TagU8>;
constexpr TagU8 kU8;

struct CodebookBytes {
    alignas(16) uint8_t at[4][16];
    constexpr CodebookBytes() : at() {
        for (int i = 0; i < 16; ++i)
            for (int byte = 0; byte < 4; ++byte)
                at[byte][i] = static_cast<uint8_t>(std::bit_cast<uint32_t>(kNF4Codebook[i]) >> 8 * byte);
    }
};
inline constexpr CodebookBytes kCodebookBytes;

/// The bytes of a vector in the order in which interleaving within each half of it makes them consecutive.
HWY_INLINE VecU8 split_halves(VecU8 bytes) {
#if HWY_TARGET == HWY_AVX2
    alignas(32) static constexpr int32_t kOrder[8] = {0, 2, 4, 6, 1, 3, 5, 7};
    return hn::BitCast(kU8, hn::TableLookupLanes(hn::BitCast(kU32, bytes), hn::SetTableIndices(kU32, kOrder)));
#else
    return bytes;
#endif
}

template <class Emit>
HWY_INLINE void look_up_nf4(VecU8 codes, int first, const Emit & emit) {
    const hn::RepartitionToWide<TagU8> u16;
    const auto look_up = [&](int byte) HWY_ATTR {
        return hn::TableLookupBytes(hn::LoadDup128(kU8, kCodebookBytes.at[byte]), codes);
    };
    const VecU8 byte0 = look_up(0), byte1 = look_up(1), byte2 = look_up(2), byte3 = look_up(3);
    const auto low0 = hn::BitCast(u16, hn::InterleaveLower(kU8, byte0, byte1));
    const auto low1 = hn::BitCast(u16, hn::InterleaveUpper(kU8, byte0, byte1));
    const auto high0 = hn::BitCast(u16, hn::InterleaveLower(kU8, byte2, byte3));
    const auto high1 = hn::BitCast(u16, hn::InterleaveUpper(kU8, byte2, byte3));
    emit(first, hn::BitCast(kF32, hn::InterleaveLower(u16, low0, high0)));
    emit(first + kLanes, hn::BitCast(kF32, hn::InterleaveUpper(u16, low0, high0)));
    emit(first + 2 * kLanes, hn::BitCast(kF32, hn::InterleaveLower(u16, low1, high1)));
    emit(first + 3 * kLanes, hn::BitCast(kF32, hn::InterleaveUpper(u16, low1, high1)));
}

template <class Emit>
HWY_INLINE void decode_nf4_units(const uint8_t * codes, const Emit & emit) {
    for (int j = 0; j < 32; j += 4 * kLanes) {
        const VecU8 bytes = split_halves(hn::LoadU(kU8, codes + j));
        look_up_nf4(hn::And(bytes, hn::Set(kU8, 15)), j, emit);
        look_up_nf4(hn::ShiftRight<4>(bytes), j + 32, emit);
    }
}
#else
template <class Emit>
HWY_INLINE void decode_nf4_units(const uint8_t * codes, const Emit & emit) {
    const auto look_up = [](VecU32 index)
                             HWY_ATTR { return hn::GatherIndex(kF32, kNF4Codebook, hn::BitCast(kI32, index)); };
    for (int j = 0; j < 32; j += kLanes) {
        const VecU32 bytes = load_bytes(codes + j);
        emit(j, look_up(hn::And(bytes, hn::Set(kU32, 15))));
        emit(j + 32, look_up(hn::ShiftRight<4>(bytes)));
    }
}
#endif
template <class Emit>
HWY_INLINE void decode_nf4_block(const uint8_t * codes, float absmax, const Emit & emit) {
    const Vec scale = hn::Set(kF32, absmax);
    decode_nf4_units(codes, [&](int j, Vec v) HWY_ATTR { emit(j, hn::Mul(v, scale)); });
}
#endif

/// Either nf4 format: planes, of which Layout says where they are. A run is a block.
template <class Layout>
struct NF4Decoder {
    static constexpr int kRun = NF4::block_length;
    static constexpr bool kScalesApart = true;

    const Layout at;
    HWY_INLINE explicit NF4Decoder(const Weight & w) : at(w.data, w.elements()) {}

    HWY_INLINE const uint8_t * block_codes(int64_t run) const { return at.codes + run * NF4::block_code_bytes; }
    HWY_INLINE const char * codes(int64_t run) const { return reinterpret_cast<const char *>(block_codes(run)); }

    template <class Emit>
    HWY_INLINE void units(int64_t run, const Emit & emit) const {
        decode_nf4_units(block_codes(run), emit);
    }
};

template <>
struct Decoder<NF4> : NF4Decoder<NF4Layout> {
    HWY_INLINE explicit Decoder(const Weight & weight) : NF4Decoder(weight) {}

    HWY_INLINE float scale(int64_t run) const { return at.absmax[run]; }

    template <class Emit>
    HWY_INLINE void decode(int64_t first, const Emit & emit) const {
        decode_nf4_block(block_codes(first / kRun), scale(first / kRun), emit);
    }
};
