#include "models/quantize/conversion_stream.hpp"

#include <algorithm>
#include <cstring>

namespace ql {
namespace {

constexpr int64_t kPieceElements = int64_t{1} << 20;
constexpr int64_t kBlockElements = int64_t{1} << 15;  // of what a thread works on within a piece: it fits in a cache
// Of all pieces that are converted, or wait to be written: twice the largest tensor, but no less and no more than this.
constexpr int64_t kLeastMemory = int64_t{1} << 24, kMostMemory = int64_t{1} << 29;

int64_t rows_of(const Conversion & c, int64_t elements) {
    const bool by_rows = has_rows(c.choice.dtype) && (c.source.data || has_rows(c.source.dtype));
    return by_rows ? std::clamp<int64_t>(elements / c.row(), 1, c.rows()) : c.rows();
}

}  // namespace

std::vector<ConversionStream::Piece> ConversionStream::cut(std::span<const Conversion> tensors) {
    std::vector<Piece> pieces;
    for (size_t i = 0; i < tensors.size(); ++i) {
        const Conversion & c = tensors[i];
        const int64_t most = std::max<int64_t>(rows_of(c, kPieceElements), 1);
        for (int64_t row = 0; row < c.rows(); row += most) {
            Piece & piece = pieces.emplace_back();
            piece.tensor = i;
            piece.first_row = row;
            piece.rows = std::min(most, c.rows() - row);
            piece.bytes = ql_dtype_bytes(c.choice.dtype, piece.rows * c.row());
            piece.is_last = row + piece.rows == c.rows();
        }
    }
    return pieces;
}

/// Pieces in memory at a time.
int64_t ConversionStream::window(int threads) const {
    int64_t largest = 1, tensor = 0;
    for (const Piece & p : pieces_) {
        const Conversion & c = tensors_[p.tensor];
        tensor = std::max(tensor, static_cast<int64_t>(ql_dtype_bytes(c.source.dtype, c.row() * c.rows())));
        const bool whole = p.rows == c.rows() && !c.in_place();
        const int64_t values = whole ? p.rows * c.row() * static_cast<int64_t>(sizeof(float)) : 0;
        largest = std::max(largest, values + static_cast<int64_t>(2 * p.bytes));
    }
    const int64_t memory = std::clamp(2 * tensor, kLeastMemory, kMostMemory);
    return std::clamp<int64_t>(memory / largest, 1, 2 * threads + 2);
}

ConversionStream::ConversionStream(std::span<const Conversion> tensors, int threads, Done done)
    : tensors_(tensors), done_(std::move(done)), pieces_(cut(tensors)) {
    ahead_ = std::make_unique<Ahead>(threads, static_cast<int64_t>(pieces_.size()), window(threads),
                                     [this](int64_t i) { return convert(pieces_[static_cast<size_t>(i)]); });
}

Status ConversionStream::convert(Piece & piece) const {
    const Conversion & c = tensors_[piece.tensor];
    if (!c.in_place()) {
        piece.converted = aligned_bytes(piece.bytes);
        if (!piece.converted) return error(QL_NO_MEMORY, "no memory for tensor '%s'", c.source.name);
    }
    const int64_t most = std::max<int64_t>(rows_of(c, kBlockElements), 1);
    for (int64_t row = 0; row < piece.rows; row += most) {
        const size_t offset = row ? ql_dtype_bytes(c.choice.dtype, row * c.row()) : 0;
        std::byte * const to = piece.converted ? piece.converted.get() + offset : nullptr;
        Status status = convert_rows(c, piece.first_row + row, std::min(most, piece.rows - row), to, piece.sums);
        if (status.ok()) continue;
        // As a whole the message has the elements' right numbers.
        const AlignedBytes whole = aligned_bytes(ql_dtype_bytes(c.choice.dtype, c.rows() * c.row()));
        ChangeSums unused;
        if (whole) QL_TRY(convert_rows(c, 0, c.rows(), whole.get(), unused));
        return status;
    }
    return {};
}

Status ConversionStream::next() {
    QL_TRY(ahead_->wait());
    open_ = true;
    offset_ = 0;
    const Piece & piece = pieces_[at_];
    sums_.add(piece.sums);
    if (!piece.is_last) return {};
    const ChangeSums sums = sums_;
    sums_ = {};
    return done_(piece.tensor, sums);
}

void ConversionStream::finish() {
    const Conversion & c = tensors_[pieces_[at_].tensor];
    if (pieces_[at_].is_last) ql_gguf_forget(nullptr, c.file_data, c.file_bytes);
    pieces_[at_].converted.reset();
    ahead_->release();
    ++at_;
    open_ = false;
}

Status ConversionStream::read(std::byte * to, size_t size) {
    while (size > 0) {
        if (!open_) QL_TRY(next());
        const Piece & piece = pieces_[at_];
        const Conversion & c = tensors_[piece.tensor];
        const auto * from = piece.converted.get();
        if (!from)
            from = static_cast<const std::byte *>(c.source.data) +
                   (piece.first_row ? ql_dtype_bytes(c.choice.dtype, piece.first_row * c.row()) : 0);
        const size_t n = std::min(size, piece.bytes - offset_);
        std::memcpy(to, from + offset_, n);
        to += n, size -= n, offset_ += n;
        if (offset_ == piece.bytes) finish();
    }
    return {};
}

}  // namespace ql
