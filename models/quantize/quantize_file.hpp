// A GGUF model rewritten with other weight types, one tensor in memory at a time.
#pragma once
#include <string>
#include <string_view>

#include "ql/gguf.h"
#include "ql/quantize.h"
#include "ql/status.hpp"

namespace ql {

/// What is done to weights on their way from one file to another.
class WeightEdit {
  public:
    virtual ~WeightEdit() = default;
    /// All that it changes is there, in the right shape. Nothing is written otherwise.
    virtual Status check(const ql_gguf & file) const = 0;
    virtual bool changes(std::string_view name) const = 0;
    /// Changes the values of a tensor, which are in f32 until they take their new type.
    virtual void apply(std::string_view name, float * values) const = 0;
};

/// edit: null for none
Status quantize_file(const std::string & in, const std::string & out, const ql_quantize_options & options,
                     const WeightEdit * edit = nullptr);

}  // namespace ql
