// AMX kernels on tile registers in plain C++, for processors without AMX. They come from the same sources, and where
// the processor would fault (a shape that does not fit, a tile that has none) they throw std::logic_error. They need
// AVX-512 BF16.
#pragma once
#include <atomic>

#include "backends/cpu/products/gemm.hpp"

namespace ql::cpu {

/// Instructions; waits: products that come less than four after the previous one in the same tile of C. A tile is
/// written 52 cycles after a product began, which takes 16.
struct TileCounts {
    int64_t loads = 0, products = 0, stores = 0, waits = 0;
};

/// Counts of all threads; a thread's own are added when it gives back its tiles.
class SharedTileCounts {
  public:
    void add(const TileCounts & c) {
        loads_ += c.loads, products_ += c.products, stores_ += c.stores, waits_ += c.waits;
    }
    /// Returns the counts and resets them to zero.
    TileCounts take() { return {loads_.exchange(0), products_.exchange(0), stores_.exchange(0), waits_.exchange(0)}; }

  private:
    std::atomic<int64_t> loads_ = 0, products_ = 0, stores_ = 0, waits_ = 0;
};
inline SharedTileCounts & tile_counts() {
    static SharedTileCounts counts;
    return counts;
}

/// As gemm_amx().
void gemm_emulated(Pool & pool, const GemmBf16 & g, std::byte * scratch);

}  // namespace ql::cpu
