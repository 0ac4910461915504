#include "models/load/hf_tensor.hpp"

#include <cstring>

#include "models/hf/rope_order.hpp"

namespace ql {
namespace {

class PlainTensor : public HfTensor {
  public:
    PlainTensor(const Weight & stored, const HfChange & change) : stored_(stored), change_(change) {
        weight_ = stored;
        file_data_ = stored.data, file_bytes_ = stored.bytes;
        const bool decoded = change.wide && (stored.dtype != QL_F32 || change.shift != 0);
        const bool aligned = reinterpret_cast<uintptr_t>(stored.data) % alignof(float) == 0;
        if (change.wide) weight_.dtype = QL_F32, weight_.bytes = static_cast<size_t>(stored.elements()) * sizeof(float);
        if (decoded || change.head_dim > 0 || !aligned) weight_.data = nullptr;
    }

    Status read(int64_t first_row, int64_t rows, std::byte * to) const override {
        const bool vector = stored_.n_dims == 1;
        const int64_t first = vector ? 0 : first_row, n = vector ? stored_.ne[0] : rows;
        if (!change_.wide) return copy(first, n, to), Status();
        const size_t size = static_cast<size_t>(n) * unit();
        const AlignedBytes memory = aligned_bytes(size);
        if (!memory) return error(QL_NO_MEMORY, "no memory for tensor '%s', %zu bytes", weight_.name.c_str(), size);
        copy(first, n, memory.get());
        const int64_t elements = vector ? n : n * stored_.ne[0];
        auto * const values = reinterpret_cast<float *>(to);
        const ql_status status = ql_decode(stored_.dtype, memory.get(), elements, 0, elements, values);
        if (status != QL_OK) return error(status, "tensor '%s': %s", weight_.name.c_str(), ql_error_message());
        for (int64_t i = 0; change_.shift != 0 && i < elements; ++i) values[i] += static_cast<float>(change_.shift);
        return {};
    }

  private:
    /// Bytes that move together: a row of a matrix, an element of a vector.
    size_t unit() const {
        return stored_.bytes / static_cast<size_t>(stored_.n_dims == 1 ? stored_.ne[0] : stored_.ne[1]);
    }

    void copy(int64_t first, int64_t n, std::byte * to) const {
        const auto * const from = static_cast<const std::byte *>(stored_.data);
        const size_t size = unit();
        if (change_.head_dim == 0) {
            std::memcpy(to, from + static_cast<size_t>(first) * size, static_cast<size_t>(n) * size);
            return;
        }
        for (int64_t i = 0; i < n; ++i) {
            const int64_t row = hf_row_of_gguf_row(first + i, change_.head_dim);
            std::memcpy(to + static_cast<size_t>(i) * size, from + static_cast<size_t>(row) * size, size);
        }
    }

    const Weight stored_;
    const HfChange change_;
};

}  // namespace

Result<std::unique_ptr<HfTensor>> plain_tensor(const Weight & stored, const HfChange & change) {
    const int64_t units = stored.n_dims == 1 ? stored.ne[0] : stored.ne[1];
    if (change.head_dim > 0 && units % change.head_dim != 0)
        return error(QL_BAD_FILE, "tensor '%s' has %lld rows, no multiple of the head length %lld", stored.name.c_str(),
                     static_cast<long long>(units), static_cast<long long>(change.head_dim));
    return std::unique_ptr<HfTensor>(std::make_unique<PlainTensor>(stored, change));
}

}  // namespace ql
