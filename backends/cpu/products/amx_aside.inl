// What a tile product does beside multiplying: a little at each step, which keeps the loads and stores that wait for
// memory apart from those of the tiles. A step of 2 x 2 tiles takes 64 cycles and a dozen instructions, so there is
// room; all at once, between two units, the tiles would wait for it.
//
// Included by amx_tiles.inl.
#pragma once
#include "backends/cpu/amx_unit.inl"
#include "backends/cpu/products/panel_bf16.inl"
#include "backends/cpu/products/target_bf16.inl"

namespace ql::cpu {
namespace {

/// Where a unit's sums go: rows of C from its first one.
struct TileTarget : TargetBf16 {
    int64_t rows;  // that exist
};

/// How many of n things to do at each of `steps` steps.
constexpr int64_t share(int64_t n, int64_t steps) {
    return steps > 0 ? (n + steps - 1) / steps : n;
}

/// Sums of the unit before, which have left its tiles, on their way to C.
class PendingSums {
  public:
    float * buffer() { return sums_; }

    /// The buffer now holds rows of `stride` sums.
    void hold(const TileTarget & to, int64_t stride) { to_ = to, stride_ = stride, row_ = 0; }
    /// `steps` steps come before the buffer is needed again.
    void spread(int64_t steps) { rows_a_step_ = share(to_.rows - row_, steps); }
    void step() { write(smaller(to_.rows, row_ + rows_a_step_)); }
    void flush() { write(to_.rows); }

  private:
    [[gnu::always_inline]] void write(int64_t end) {
        for (; row_ < end; ++row_)
            for (int64_t v = 0; v < to_.columns; v += kLanes)
                store_sums(_mm512_load_ps(sums_ + row_ * stride_ + v), to_, row_ * to_.ldc + v,
                           first_lanes(to_.columns - v));
    }

    TileTarget to_ = {};
    int64_t stride_ = 0, row_ = 0, rows_a_step_ = 0;
    alignas(64) float sums_[4 * kTileRows * kTileColumns];
};

/// The lines of C, and of what is added, that the unit's sums will go to.
class TargetFetch {
  public:
    TargetFetch(const TileTarget & to, int64_t steps)
        : c_(to.c ? reinterpret_cast<const char *>(to.c) : reinterpret_cast<const char *>(to.c_half)),
          add_(to.add == to.c ? nullptr : reinterpret_cast<const char *>(to.add)),
          c_row_(to.ldc * c_bytes(to)),
          c_length_(to.columns * c_bytes(to)),
          add_row_(to.ldc * kAddBytes),
          add_length_(to.columns * kAddBytes),
          left_(to.rows),
          rows_a_step_(share(to.rows, steps)) {}

    [[gnu::always_inline]] void step() {
        for (int64_t i = smaller(left_, rows_a_step_); i > 0; --i, --left_, c_ += c_row_) {
            for (int64_t b = 0; b < c_length_; b += kLine) __builtin_prefetch(c_ + b, 1);
            if (!add_) continue;
            for (int64_t b = 0; b < add_length_; b += kLine) __builtin_prefetch(add_ + b);
            add_ += add_row_;
        }
    }

  private:
    static constexpr int64_t kLine = 64, kAddBytes = sizeof(float);
    static int64_t c_bytes(const TileTarget & to) { return to.c ? sizeof(*to.c) : sizeof(*to.c_half); }

    const char *c_, *add_;
    int64_t c_row_, c_length_, add_row_, add_length_;
    int64_t left_, rows_a_step_;
};

/// The packed weights of the group that is likely to be next, into L2: packing it waits for no memory then.
class WeightFetch {
  public:
    void add(const PackedRows & rows) {
        if (rows.rows <= 0) return;
        list_[n_++] = rows;
        lines_ += rows.rows * lines_of(rows);
        if (n_ == 1) begin(rows);
    }
    void spread(int64_t steps) { lines_a_step_ = share(lines_, steps); }

    [[gnu::always_inline]] void step() {
        for (int64_t i = lines_a_step_; i > 0 && rows_left_ > 0; --i, at_ += kLine) {
            __builtin_prefetch(at_, 0, 2);
            if (--lines_left_ == 0) next_row();
        }
    }

  private:
    static constexpr int64_t kLine = 64;

    /// Rows begin anywhere in a line.
    static int64_t lines_of(const PackedRows & rows) { return rows.bytes / kLine + 1; }
    void begin(const PackedRows & rows) {
        row_ = at_ = rows.first, rows_left_ = rows.rows, lines_left_ = lines_of(rows);
    }
    /// Sets at_ a line before the next one, as step() goes on from there.
    [[gnu::noinline]] void next_row() {
        const PackedRows & rows = list_[now_];
        if (--rows_left_ > 0)
            row_ += rows.stride, at_ = row_, lines_left_ = lines_of(rows);
        else if (++now_ < n_)
            begin(list_[now_]);
        at_ -= kLine;
    }

    const char *at_ = nullptr, *row_ = nullptr;
    int64_t rows_left_ = 0, lines_left_ = 0, lines_ = 0, lines_a_step_ = 0;
    int n_ = 0, now_ = 0;
    PackedRows list_[kMaxTerms];
};

/// All of it.
struct Asides {
    PendingSums sums;
    WeightFetch weights;
};

}  // namespace
}  // namespace ql::cpu
