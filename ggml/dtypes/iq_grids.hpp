// The grids of the iq types: points of four or eight coordinates, a byte each, of which a code is the number. And the
// signs of eight weights as bytes.
#pragma once
#include <cstdint>
#include <cstring>

namespace ql {

template <class Word, int n>
struct Grid {
    Word point[n];
    [[gnu::always_inline]] Word operator[](uint32_t i) const { return point[i]; }
};

extern const Grid<uint64_t, 256> kIQ2XXSGrid;  // magnitudes
extern const Grid<uint64_t, 512> kIQ2XSGrid;
extern const Grid<uint64_t, 1024> kIQ2SGrid;
extern const Grid<uint32_t, 256> kIQ3XXSGrid;
extern const Grid<uint32_t, 512> kIQ3SGrid;
extern const Grid<uint64_t, 2048> kIQ1Grid;   // eight times -1, 0 or 1
extern const Grid<uint64_t, 256> kSignBytes;  // byte j is 0xff where bit j of the number is set

/// Seven signs and the eighth, which makes their number even.
[[gnu::always_inline]] constexpr uint8_t even_signs(uint32_t seven) {
    const uint32_t fours = seven ^ seven >> 4, twos = fours ^ fours >> 2;
    return static_cast<uint8_t>(seven | ((twos ^ twos >> 1) & 1) << 7);
}

/// Eight magnitudes, of which those get a minus whose bit is set, to q.
[[gnu::always_inline]] inline void store_signed(uint64_t magnitudes, uint8_t signs, int8_t * q) {
    const uint64_t mask = kSignBytes[signs];
    const uint64_t units = (magnitudes ^ mask) + (mask & 0x0101010101010101u);  // no carry: no magnitude is 0
    std::memcpy(q, &units, 8);
}

}  // namespace ql
