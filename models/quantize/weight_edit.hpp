// What is done to weights on their way from one file to another.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

#include "ql/gguf.h"
#include "ql/status.hpp"

namespace ql {

class WeightEdit {
  public:
    virtual ~WeightEdit() = default;
    /// All that it changes is there, in the right shape. Nothing is written otherwise.
    virtual Status check(const ql_gguf & file) const = 0;
    virtual bool changes(std::string_view name) const = 0;
    /// Whether it changes this row of such a tensor: where the type stays, other rows keep their bytes.
    virtual bool changes_row(std::string_view, int64_t) const { return true; }
    /// The key of the thresholds that a tensor is rounded with, from one type to another; none: to the nearest value.
    virtual std::optional<uint32_t> dither(std::string_view, ql_dtype, ql_dtype) const { return {}; }
    /// Changes rows of a tensor, in f32 until they take their new type. Several threads call it at the same time.
    virtual void apply(std::string_view name, int64_t first_row, int64_t rows, float * values) const = 0;
};

}  // namespace ql
