// How a device multiplies integers.
#pragma once
#include "backends/cpu/device.hpp"
#include "backends/cpu/products/vnni.hpp"

namespace ql::cpu {

/// The arithmetic, which alone decides the bits, and the kernels that follow it.
struct CodedPath {
    const Coding * coding = nullptr;      // null: no products are of integers
    const CodedKernels * vnni = nullptr;  // null: Highway's kernels

    explicit operator bool() const { return coding; }
};

}  // namespace ql::cpu
