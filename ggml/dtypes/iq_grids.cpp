#include "ggml/dtypes/iq_grids.hpp"

#include <cstddef>

namespace ql {
namespace {

#include "ggml/dtypes/iq_grids.inl"

/// A point's coordinates as bytes, the first in the lowest.
template <class Word, size_t n_values>
constexpr Word bytes_of(uint16_t point, const int8_t (&values)[n_values], int factor) {
    constexpr int kBits = n_values <= 4 ? 2 : 3;
    Word word = 0;
    for (int j = 0; j < static_cast<int>(sizeof(Word)); ++j) {
        const int place = point >> j * kBits & ((1 << kBits) - 1);
        word |= static_cast<Word>(static_cast<uint8_t>(values[place] * factor)) << 8 * j;
    }
    return word;
}

template <class Word, int n, size_t n_values>
constexpr Grid<Word, n> expand(const uint16_t (&points)[n], const int8_t (&values)[n_values], int factor = 1) {
    Grid<Word, n> grid{};
    for (int i = 0; i < n; ++i) grid.point[i] = bytes_of<Word>(points[i], values, factor);
    return grid;
}

constexpr Grid<uint64_t, 256> sign_bytes() {
    Grid<uint64_t, 256> grid{};
    for (int i = 0; i < 256; ++i)
        for (int j = 0; j < 8; ++j) grid.point[i] |= (i >> j & 1) ? uint64_t{0xff} << 8 * j : 0;
    return grid;
}

}  // namespace

constinit const Grid<uint64_t, 256> kIQ2XXSGrid = expand<uint64_t>(k_iq2_xxs_points, k_iq2_xxs_values);
constinit const Grid<uint64_t, 512> kIQ2XSGrid = expand<uint64_t>(k_iq2_xs_points, k_iq2_xs_values);
constinit const Grid<uint64_t, 1024> kIQ2SGrid = expand<uint64_t>(k_iq2_s_points, k_iq2_s_values);
constinit const Grid<uint32_t, 256> kIQ3XXSGrid = expand<uint32_t>(k_iq3_xxs_points, k_iq3_xxs_values);
constinit const Grid<uint32_t, 512> kIQ3SGrid = expand<uint32_t>(k_iq3_s_points, k_iq3_s_values);
constinit const Grid<uint64_t, 2048> kIQ1Grid = expand<uint64_t>(k_iq1_points, k_iq1_values, 8);
constinit const Grid<uint64_t, 256> kSignBytes = sign_bytes();

}  // namespace ql
