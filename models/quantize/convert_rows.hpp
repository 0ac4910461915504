// Rows of a tensor on their way into another file: decoded, edited, encoded, and measured against what they were.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>

#include "models/quantize/policy.hpp"
#include "models/quantize/row_source.hpp"
#include "models/quantize/weight_edit.hpp"

namespace ql {

/// One tensor on its way.
struct Conversion {
    ql_gguf_tensor source{};
    const RowSource * rows_of = nullptr;  // what gives the source's rows where `data` is null
    const void * file_data = nullptr;     // bytes of a mapped file that may leave memory when the tensor is done
    size_t file_bytes = 0;
    float scale = 1;  // of the whole tensor: where it is not copied, its values are times this
    QuantizeChoice choice{QL_F32, ""};
    const WeightEdit * edit = nullptr;  // null where the values stay what they are
    bool measured = false;
    Scales scales = Scales::largest_weight;
    std::optional<uint32_t> dither = {};  // of an edited tensor

    int64_t row() const { return source.ne[0]; }
    int64_t rows() const { return source.ne[1] * source.ne[2] * source.ne[3]; }
    /// The values stay what they are.
    bool copied() const { return !edit && choice.dtype == source.dtype; }
    /// They can be written from where they lie.
    bool in_place() const { return copied() && source.data; }
};

/// Of a conversion w -> w': |w' - w|^2 and |w|^2; and of an edit by d, where q is w' without it: <w' - q, d> and <d, d>.
struct ChangeSums {
    double error = 0, norm = 0, along = 0, change = 0;

    void add(const ChangeSums & other);
};

/// Whether rows of the type can be taken one by one: no plane of it spans the tensor.
bool has_rows(ql_dtype dtype);

/// Converts rows to dst, which has ql_dtype_bytes of them; where the values are in_place() it checks them alone.
/// sums     what is measured is added
/// errors   as convert_part; an element's number may be counted from the first row
Status convert_rows(const Conversion & c, int64_t first_row, int64_t rows, std::byte * dst, ChangeSums & sums);

}  // namespace ql
