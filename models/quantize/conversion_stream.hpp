// Many tensors converted by several threads, some rows at a time, and read in the order of the file: what a writer waits
// for is computed while it writes what came before.
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "models/base/memory.hpp"
#include "models/base/parallel.hpp"
#include "models/quantize/convert_rows.hpp"

namespace ql {

class ConversionStream {
  public:
    /// Called for each tensor when all of it is converted, on the thread that reads.
    using Done = std::function<Status(size_t tensor, const ChangeSums & sums)>;

    ConversionStream(std::span<const Conversion> tensors, int threads, Done done);

    /// The next `size` bytes of the tensor that is read; all tensors are read, in order, to their ends.
    Status read(std::byte * to, size_t size);

  private:
    /// Rows that one thread converts at a time.
    struct Piece {
        size_t tensor = 0;
        int64_t first_row = 0, rows = 0;
        size_t bytes = 0;
        bool is_last = false;  // of its tensor
        AlignedBytes converted;
        ChangeSums sums;
    };
    static std::vector<Piece> cut(std::span<const Conversion> tensors);
    int64_t window(int threads) const;
    Status convert(Piece & piece) const;
    Status next();
    void finish();

    const std::span<const Conversion> tensors_;
    const Done done_;
    std::vector<Piece> pieces_;
    size_t at_ = 0;                 // the piece that is read
    size_t offset_ = 0;             // in it
    bool open_ = false;             // it was waited for
    ChangeSums sums_;               // of the tensor so far
    std::unique_ptr<Ahead> ahead_;  // last: its threads use the rest
};

}  // namespace ql
