// The scales of nf4_dq's blocks in AVX-512: looked up in registers, 16 at once. Loads one by one, which GCC gathers
// into vectors, took a fifth of the f32 product's time: 288 x 2048, Zen 5, one thread, 45 Gweights/s with them, 54
// without.
//
// Included within the namespace of its user, where AVX-512 is known to be there; nothing here may be seen elsewhere.

/// 16 entries of the dynamic map, which 8 registers' pairs hold: five bits of a code choose within a pair, three the
/// pair.
inline __m512 look_up_scales(const uint8_t * codes) {
    const __m512i index = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i *>(codes)));
    __m512 v[8];
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i)
        v[i] = _mm512_permutex2var_ps(_mm512_loadu_ps(kDynamicMapSigned.data() + i * 32), index,
                                      _mm512_loadu_ps(kDynamicMapSigned.data() + i * 32 + 16));
#pragma GCC unroll 3
    for (int bit = 5, n = 4; n > 0; ++bit, n /= 2) {
        const __mmask16 upper = _mm512_test_epi32_mask(index, _mm512_set1_epi32(1 << bit));
#pragma GCC unroll 4
        for (int i = 0; i < n; ++i) v[i] = _mm512_mask_blend_ps(upper, v[2 * i], v[2 * i + 1]);
    }
    return v[0];
}

/// nf4_pieces' decode. Codes are read in sixteens: behind their plane there are more than 64 bytes of the tensor's.
inline void decode_scales(const NF4DQLayout & at, int64_t first, int64_t count, float * out) {
    const __m512 offset = _mm512_set1_ps(at.offset);
    for (int64_t i = 0; i < count;) {
        const int64_t group = (first + i) / NF4_DQ::group_blocks;
        const int64_t left = (group + 1) * NF4_DQ::group_blocks - first, end = left < count ? left : count;
        const __m512 most = _mm512_set1_ps(at.absmax2[group]);
        for (; i < end; i += 16)
            _mm512_storeu_ps(out + i,
                             _mm512_add_ps(_mm512_mul_ps(look_up_scales(at.absmax_codes + first + i), most), offset));
        i = end;
    }
}
