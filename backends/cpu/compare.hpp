// A device that computes in f32, and says what products of other kinds would have lost: for `ql-bench error`.
#pragma once
#include <memory>
#include <string>

#include "backends/cpu/device.hpp"

namespace ql::cpu {

/// Each product with a frozen weight is computed again on operands as they are, alone, by every kind of product that the
/// instruction set has. When the device is closed, `path` gets the errors, in JSON:
///
///     {"products": [{"weight": NAME, "side": "forward"|"backward", "kind": KIND, "error": E, "size": S, "worst": W}, ...]}
///
/// KIND bf16, int16, int8; int8_1: tokens one by one, some of them. E: squares of differences to f32, summed up over all
/// runs; S: of f32's results; W: the largest quotient of the two of a token.
std::unique_ptr<CpuDevice> comparing_device(Isa isa, int threads, std::string path);

}  // namespace ql::cpu
