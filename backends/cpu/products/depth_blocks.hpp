// Cutting the depths of a product's terms, laid end to end, into blocks that fill a panel.
#pragma once
#include "backends/cpu/products/gemm.hpp"

namespace ql::cpu {

/// Steps [p0, p0 + depth) of one term; they begin at step `at` of the panel, a multiple of the walk's `align`.
struct Piece {
    int64_t term, p0, depth, at;
};

struct DepthBlock {
    std::array<Piece, kMaxTerms> pieces;
    int n = 0;
    bool first = true;  // of the product: there is nothing in C yet

    std::span<const Piece> list() const { return {pieces.data(), static_cast<size_t>(n)}; }
};

/// Walks the blocks. A term is cut only at multiples of kCut, where every format has a block's border.
template <typename T>
class DepthBlocks {
  public:
    static constexpr int64_t kCut = 256;

    /// Both numbers are even.
    DepthBlocks(std::span<const Term<T>> terms, int64_t panel_depth, int64_t align = 2)
        : terms_(terms), panel_depth_(panel_depth), align_(align) {}

    /// False after the last block.
    bool next(DepthBlock & block) {
        block.first = term_ == 0 && p0_ == 0;
        block.n = 0;
        for (int64_t at = 0; term_ < static_cast<int64_t>(terms_.size());) {
            const int64_t left = terms_[static_cast<size_t>(term_)].depth() - p0_, room = panel_depth_ - at;
            const int64_t depth = left <= room ? left : room / kCut * kCut;
            if (depth == 0) break;
            block.pieces[static_cast<size_t>(block.n++)] = {term_, p0_, depth, at};
            at += (depth + align_ - 1) / align_ * align_;
            p0_ += depth;
            if (depth < left) break;
            ++term_;
            p0_ = 0;
        }
        return block.n > 0;
    }

  private:
    const std::span<const Term<T>> terms_;
    const int64_t panel_depth_, align_;
    int64_t term_ = 0, p0_ = 0;
};

/// All terms in one block.
template <typename T>
DepthBlock whole_depth(std::span<const Term<T>> terms) {
    DepthBlock block;
    DepthBlocks<T>(terms, INT64_MAX / 2).next(block);
    return block;
}

}  // namespace ql::cpu
