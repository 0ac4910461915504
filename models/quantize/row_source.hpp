// Where a tensor's values come from that do not lie in a file as they are wanted: rows in another order, norms that are
// stored less 1, weights of another program's types.
#pragma once
#include <cstddef>
#include <cstdint>

#include "ql/status.hpp"

namespace ql {

class RowSource {
  public:
    virtual ~RowSource() = default;
    /// Rows in the type, and of the shape, that the tensor is said to have; a vector is one row. Of a type with planes that
    /// span the tensor, all rows at once. Several threads call it at the same time.
    virtual Status read(int64_t first_row, int64_t rows, std::byte * to) const = 0;
};

}  // namespace ql
