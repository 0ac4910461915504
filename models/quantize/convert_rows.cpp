#include "models/quantize/convert_rows.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include "models/base/memory.hpp"

namespace ql {
namespace {

constexpr int64_t kPiece = 64 * 256;  // of what is compared at a time: whole blocks of every type, within a cache
// Of an edited tensor so many weights are measured, in pieces at equal distances: how much it holds is known well enough
// by then, and to encode and decode everything once more would take longer than the edit. Of few bits it takes more: a few
// weights hold the change of all.
constexpr int64_t kMostMeasured = int64_t{1} << 22, kMostMeasuredHalves = int64_t{1} << 20;

constexpr size_t kSums = 8;  // partial sums: one after the other, additions would wait for each other

double total(const double (&sums)[kSums]) {
    return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

/// w and w', and of an edit what was meant and q: equally many.
struct Compared {
    const float *from, *to, *meant, *plain;
};

/// Calls add(i, i % kSums) for each i, in runs of kSums, of which the compiler makes vectors.
template <class Add>
void each_in_its_sum(size_t n, Add add) {
    size_t i = 0;
    for (; i + kSums <= n; i += kSums)
        for (size_t j = 0; j < kSums; ++j) add(i + j, j);
    for (size_t j = 0; i < n; ++i, ++j) add(i, j);
}

void measure(const Compared & c, size_t n, ChangeSums & sums) {
    double error[kSums] = {}, norm[kSums] = {};
    each_in_its_sum(n, [&](size_t i, size_t j) {
        const double w = static_cast<double>(c.from[i]), e = static_cast<double>(c.to[i]) - w;
        error[j] += e * e;
        norm[j] += w * w;
    });
    sums.error += total(error);
    sums.norm += total(norm);
    if (!c.meant) return;
    double along[kSums] = {}, change[kSums] = {};
    each_in_its_sum(n, [&](size_t i, size_t j) {
        const double d = static_cast<double>(c.meant[i]) - static_cast<double>(c.from[i]);
        along[j] += (static_cast<double>(c.to[i]) - static_cast<double>(c.plain[i])) * d;
        change[j] += d * d;
    });
    sums.along += total(along);
    sums.change += total(change);
}

/// Values in one of their types, of which pieces are decoded.
struct Encoded {
    ql_dtype dtype;
    const void * data;
    int64_t all, first;
    float scale = 1;  // of the whole tensor

    Status decode(int64_t from, std::vector<float> & piece) const {
        QL_TRY(ql_decode(dtype, data, all, first + from, static_cast<int64_t>(piece.size()), piece.data()));
        if (scale != 1)
            for (float & v : piece) v *= scale;
        return {};
    }
};

class Rows {
  public:
    Rows(const Conversion & c, int64_t first_row, int64_t rows)
        : c_(c), first_row_(first_row), rows_(rows), n_(rows * c.row()) {}

    Status convert(std::byte * dst, ChangeSums & sums) {
        if (c_.in_place()) return check_finite(source());
        if (!c_.source.data) QL_TRY(read(dst));
        if (c_.copied()) return check_finite(source());
        if (c_.edit) return edit(dst, sums);
        QL_TRY(convert_part(source(), c_.choice.dtype, dst, {c_.scales}));
        return c_.measured ? compare(dst, nullptr, nullptr, sums) : Status();
    }

  private:
    /// Rows that do not lie in a file as they are wanted: to where they are written, or to memory of their own.
    Status read(std::byte * dst) {
        std::byte * to = dst;
        if (!c_.copied()) {
            read_ = aligned_bytes(ql_dtype_bytes(c_.source.dtype, n_));
            if (!read_) return error(QL_NO_MEMORY, "no memory for tensor '%s'", c_.source.name);
            to = read_.get();
        }
        read_at_ = to;
        return c_.rows_of->read(first_row_, rows_, to);
    }

    TensorPart source() const {
        if (read_at_) return {c_.source.name, c_.source.dtype, read_at_, n_, 0, n_, c_.scale};
        const int64_t all = c_.row() * c_.rows();
        return {c_.source.name, c_.source.dtype, c_.source.data, all, first_row_ * c_.row(), n_, c_.scale};
    }

    Status edit(std::byte * dst, ChangeSums & sums) const {
        const size_t bytes = ql_dtype_bytes(c_.choice.dtype, n_);
        const bool any = measures_some();
        const AlignedBytes memory = aligned_bytes(static_cast<size_t>(n_) * sizeof(float)),
                           plain = aligned_bytes(any ? bytes : 0);
        if (!memory || !plain) return error(QL_NO_MEMORY, "no memory for tensor '%s'", c_.source.name);
        auto * w = reinterpret_cast<float *>(memory.get());
        const TensorPart values{c_.source.name, QL_F32, w, n_, 0, n_};
        QL_TRY(decode_part(source(), w));  // they are checked once they are edited
        if (any) QL_TRY(encode_plain(w, plain.get()));
        c_.edit->apply(c_.source.name, first_row_, rows_, w);
        QL_TRY(convert_part(values, c_.choice.dtype, dst, {c_.scales, c_.dither, first_row_ * c_.row()}));
        keep_unchanged(dst);
        return any ? compare(dst, w, plain.get(), sums) : Status();
    }

    /// w before its edit, in the type of the result: of a type with rows the pieces alone that are measured.
    Status encode_plain(const float * w, std::byte * plain) const {
        const ql_dtype to = c_.choice.dtype;
        const int64_t piece = has_rows(to) ? kPiece : n_;
        for (int64_t first = 0; first < n_; first += piece)
            if (piece == n_ || measures(first))
                QL_TRY(convert_part({c_.source.name, QL_F32, w, n_, first, std::min(piece, n_ - first)}, to,
                                    plain + (first > 0 ? ql_dtype_bytes(to, first) : 0), {c_.scales}));
        return {};
    }

    /// Rows that the edit leaves as they were have the bytes that they had. (In types of planes rows have none, and what
    /// had a scale of the whole tensor has none now.)
    void keep_unchanged(std::byte * dst) const {
        if (c_.choice.dtype != c_.source.dtype || !has_rows(c_.source.dtype) || c_.scale != 1) return;
        const size_t bytes = ql_dtype_bytes(c_.source.dtype, c_.row());
        for (int64_t row = 0; row < rows_; ++row)
            if (!c_.edit->changes_row(c_.source.name, first_row_ + row))
                std::memcpy(
                    dst + static_cast<size_t>(row) * bytes,
                    static_cast<const std::byte *>(c_.source.data) + static_cast<size_t>(first_row_ + row) * bytes,
                    bytes);
    }

    /// Whether the piece that begins with element `first` of these rows is measured.
    bool measures(int64_t first) const {
        if (!c_.measured || !c_.edit || !changes_all()) return c_.measured;
        const int64_t most = bits_per_element(c_.choice.dtype) >= 16 ? kMostMeasuredHalves : kMostMeasured;
        const int64_t every = std::max<int64_t>(c_.row() * c_.rows() / most, 1);
        return (first_row_ * c_.row() + first) / kPiece % every == 0;
    }
    /// Of an edit of some rows each counts.
    bool changes_all() const {
        for (int64_t row = 0; row < rows_; ++row)
            if (!c_.edit->changes_row(c_.source.name, first_row_ + row)) return false;
        return true;
    }
    bool measures_some() const {
        for (int64_t first = 0; first < n_; first += kPiece)
            if (measures(first)) return true;
        return false;
    }

    Status compare(const std::byte * dst, const float * meant, const std::byte * plain, ChangeSums & sums) const {
        const TensorPart part = source();
        const Encoded before{part.dtype, part.data, part.all, part.first, part.scale},
            after{c_.choice.dtype, dst, n_, 0}, unedited{c_.choice.dtype, plain, n_, 0};
        for (int64_t first = 0; first < n_; first += kPiece) {
            if (!measures(first)) continue;
            const auto count = static_cast<size_t>(std::min(kPiece, n_ - first));
            std::vector<float> from(count), to(count), without(plain ? count : 0);
            QL_TRY(before.decode(first, from));
            QL_TRY(after.decode(first, to));
            if (plain) QL_TRY(unedited.decode(first, without));
            measure({from.data(), to.data(), meant ? meant + first : nullptr, without.data()}, count, sums);
        }
        return {};
    }

    const Conversion & c_;
    const int64_t first_row_, rows_, n_;
    AlignedBytes read_;
    const std::byte * read_at_ = nullptr;
};

}  // namespace

void ChangeSums::add(const ChangeSums & other) {
    error += other.error;
    norm += other.norm;
    along += other.along;
    change += other.change;
}

bool has_rows(ql_dtype dtype) {
    // Of a type with planes, two blocks are not twice one; rows may be so by chance.
    const int64_t block = ql_dtype_block_length(dtype);
    return ql_dtype_bytes(dtype, 2 * block) == 2 * ql_dtype_bytes(dtype, block);
}

Status convert_rows(const Conversion & c, int64_t first_row, int64_t rows, std::byte * dst, ChangeSums & sums) {
    return Rows(c, first_row, rows).convert(dst, sums);
}

}  // namespace ql
