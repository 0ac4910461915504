// Eight tile registers in plain C++, after Intel's description of AMX (Software Developer's Manual, volume 2:
// LDTILECFG, TILELOADD, TILESTORED, TILEZERO, TDPBF16PS), which count what is done with them.
//
// Included by translation units that are compiled for AVX-512 BF16.
#pragma once
#include <cfloat>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <string>

#include "backends/cpu/amx_unit.inl"
#include "cpu/amx_emulated.hpp"
#include "ggml/dtypes/half.hpp"

namespace ql::cpu {
namespace {

/// Denormals are zero, whether they come in or go out.
inline float flushed(float x) {
    return std::fabs(x) < FLT_MIN ? std::copysign(0.0f, x) : x;
}
inline float number(uint16_t bf16) {
    return flushed(bf16_to_f32(bf16));
}

void demand(bool holds, const char * what) {
    if (!holds) throw std::logic_error(std::string("emulated AMX: ") + what);
}

class EmulatedTiles {
  public:
    ~EmulatedTiles() { demand(!configured_, "a thread kept its tiles"); }

    void configure(const TileShapes & shapes) {
        static constexpr uint8_t kZeros[sizeof(shapes)] = {};
        demand(reinterpret_cast<uintptr_t>(&shapes) % 64 == 0 && shapes.palette == 1 && shapes.start_row == 0,
               "palette");
        demand(std::memcmp(shapes.reserved, kZeros, sizeof(shapes.reserved)) == 0, "reserved bytes");
        for (int i = 0; i < 16; ++i) {
            demand(shapes.rows[i] <= 16 && shapes.row_bytes[i] <= 64, "a tile is too large");
            demand((shapes.rows[i] == 0) == (shapes.row_bytes[i] == 0), "half of a shape");
            demand(i < 8 || shapes.rows[i] == 0, "there are eight tiles");
        }
        for (int i = 0; i < 8; ++i) tiles_[i] = {shapes.rows[i], shapes.row_bytes[i], 0, {}};
        configured_ = true;
    }
    void release() {
        for (Tile & tile : tiles_) tile = {};
        configured_ = false;
        tile_counts().add(counts_);
        counts_ = {};
    }

    template <int T>
    void zero() {
        clear(existing(T));
    }
    template <int T>
    void load(const void * rows, int64_t bytes_a_row) {
        Tile & tile = existing(T);
        clear(tile);
        ++counts_.loads;
        for (int r = 0; r < tile.rows; ++r)
            std::memcpy(tile.row[r], static_cast<const uint8_t *>(rows) + r * bytes_a_row, tile.row_bytes);
    }
    template <int T>
    void load_once(const void * rows, int64_t bytes_a_row) {
        load<T>(rows, bytes_a_row);
    }
    template <int T>
    void store(void * rows, int64_t bytes_a_row) {
        const Tile & tile = existing(T);
        ++counts_.stores;
        for (int r = 0; r < tile.rows; ++r)
            std::memcpy(static_cast<uint8_t *>(rows) + r * bytes_a_row, tile.row[r], tile.row_bytes);
    }

    /// Even and odd steps are summed apart, from zero, by fused multiply-adds; then both together; then into C.
    template <int C, int A, int B>
    void multiply() {
        Tile &c = existing(C), &a = existing(A), &b = existing(B);
        ++counts_.products;
        if (c.product > 0 && counts_.products - c.product < 4) ++counts_.waits;
        c.product = counts_.products;
        demand(C != A && C != B && A != B, "a register twice");
        demand(c.rows == a.rows && c.row_bytes == b.row_bytes && a.row_bytes == 4 * b.rows, "shapes do not fit");
        const int columns = c.row_bytes / 4;
        for (int m = 0; m < c.rows; ++m) {
            float even[16] = {}, odd[16] = {}, sum[16];
            uint16_t left[32], right[32];
            std::memcpy(left, a.row[m], sizeof(left));
            std::memcpy(sum, c.row[m], sizeof(sum));
            for (int k = 0; k < a.row_bytes / 4; ++k) {
                std::memcpy(right, b.row[k], sizeof(right));
                for (int n = 0; n < columns; ++n) {
                    even[n] = flushed(std::fma(number(left[2 * k]), number(right[2 * n]), even[n]));
                    odd[n] = flushed(std::fma(number(left[2 * k + 1]), number(right[2 * n + 1]), odd[n]));
                }
            }
            for (int n = 0; n < columns; ++n) sum[n] = flushed(flushed(sum[n]) + flushed(even[n] + odd[n]));
            std::memcpy(c.row[m], sum, sizeof(sum));
        }
    }

  private:
    struct Tile {
        int rows = 0, row_bytes = 0;
        int64_t product = 0;  // number of the last that went here
        uint8_t row[16][64] = {};
    };

    Tile & existing(int i) {
        demand(tiles_[i].rows > 0, "a tile without a shape");
        return tiles_[i];
    }
    static void clear(Tile & tile) {
        std::memset(tile.row, 0, sizeof(tile.row));
        tile.product = 0;
    }

    Tile tiles_[8];
    TileCounts counts_;
    bool configured_ = false;
};

}  // namespace
}  // namespace ql::cpu
