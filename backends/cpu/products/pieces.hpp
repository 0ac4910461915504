// Splits a product among threads: gemm.hpp says how it is cut.
#pragma once
#include <cstdint>

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
    bool again;   // the thread has had these rows, or others near them, with another group
};

/// Calls f(GroupTiles) for all tiles of all groups, some `tiles_of_piece` at a time; of one depth block, so that a
/// panel holds what a group needs. Where there are more tiles than `near`, about so many are taken with all groups
/// before the next ones. Panels: threads times (sizeof(PanelHead) + panel_bytes) bytes.
template <typename F>
void run_pieces(Pool & pool, int64_t groups, int64_t tiles, int64_t tiles_of_piece, std::byte * panels,
                size_t panel_bytes, const F & f, int64_t near = INT64_MAX) {
    const int64_t pieces = tiles > tiles_of_piece ? tiles / tiles_of_piece : 1;
    const int64_t wanted = tiles > near ? (tiles + near - 1) / (near > 0 ? near : 1) : 1;
    const int64_t rounds = wanted < pieces ? wanted : pieces;
    const auto head = [=](int thread) {
        return reinterpret_cast<PanelHead *>(panels + static_cast<size_t>(thread) * (sizeof(PanelHead) + panel_bytes));
    };
    for (int thread = 0; thread < pool.threads(); ++thread) *head(thread) = {-1, -1};
    pool.run(groups * pieces, [&](int64_t unit, int thread) {
        int64_t round = 0;  // has pieces [pieces * round / rounds, pieces * (round + 1) / rounds)
        while (unit >= groups * (pieces * (round + 1) / rounds)) ++round;
        const int64_t first = pieces * round / rounds, of_round = pieces * (round + 1) / rounds - first;
        unit -= groups * first;
        const int64_t group = unit / of_round, piece = first + unit % of_round;
        PanelHead * at = head(thread);
        const bool packed = at->group == group && at->round == round, again = at->round == round;
        *at = {group, round};
        f(GroupTiles{group, tiles * piece / pieces, tiles * (piece + 1) / pieces, reinterpret_cast<std::byte *>(at + 1),
                     packed, again});
    });
}

}  // namespace ql::cpu
