// Splits a product among threads: gemm.hpp says how it is cut.
#pragma once
#include "backends/cpu/products/gemm.hpp"

namespace ql::cpu {

/// Where a micro-kernel's result goes, in f32.
struct TargetF32 {
    float * c;
    const float * add;
    int64_t ldc;
    int64_t columns;  // that exist, of the kernel's width
};

/// Tiles [first, last) of rows, by the columns of a group.
struct GroupTiles {
    int64_t group, first, last;
    std::byte * panel;
    bool packed;  // the panel holds the group already
};

/// Calls f(GroupTiles) for all tiles of all groups, some `tiles_of_piece` at a time; of one depth block, so that a
/// panel holds what a group needs. Panels: threads times (sizeof(PanelHead) + panel_bytes) bytes.
template <typename F>
void run_pieces(Pool & pool, int64_t groups, int64_t tiles, int64_t tiles_of_piece, std::byte * panels,
                size_t panel_bytes, const F & f) {
    const int64_t pieces = tiles > tiles_of_piece ? tiles / tiles_of_piece : 1;
    const auto head = [=](int thread) {
        return reinterpret_cast<PanelHead *>(panels + static_cast<size_t>(thread) * (sizeof(PanelHead) + panel_bytes));
    };
    for (int thread = 0; thread < pool.threads(); ++thread) head(thread)->group = -1;
    pool.run(groups * pieces, [&](int64_t unit, int thread) {
        const int64_t group = unit / pieces, piece = unit % pieces;
        PanelHead * at = head(thread);
        const bool packed = at->group == group;
        at->group = group;
        f(GroupTiles{group, tiles * piece / pieces, tiles * (piece + 1) / pieces, reinterpret_cast<std::byte *>(at + 1),
                     packed});
    });
}

}  // namespace ql::cpu
