// Philox 4x32-10, as in common/philox.hpp, and the word of an element: ggml/ops/dropout.hpp and noise_words.hpp.

// key: {seed low, seed high, step, the first token's number}; n: numbers of a row.
uint word_of(I32 key, int stream, int n, int i) {
    uint high, low, carry;
    umulExtended(uint(key.at[3]), uint(n), high, low);
    low = uaddCarry(low, uint(i), carry);
    high += carry;  // the element's number in 64 bits; a block has four words
    uvec4 c = uvec4(low >> 2 | high << 30, high >> 2, uint(key.at[2]), uint(stream));
    uvec2 k = uvec2(key.at[0], key.at[1]);
    for (int round = 0; round < 10; ++round) {
        uint a_high, a_low, b_high, b_low;
        umulExtended(0xD2511F53u, c.x, a_high, a_low);
        umulExtended(0xCD9E8D57u, c.z, b_high, b_low);
        c = uvec4(b_high ^ c.y ^ k.x, b_low, a_high ^ c.w ^ k.y, a_low);
        k += uvec2(0x9E3779B9u, 0xBB67AE85u);
    }
    return c[low & 3u];
}
