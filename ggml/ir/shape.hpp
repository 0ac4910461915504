// A tensor's extent: four sizes, innermost first, 1 beyond the last dimension.
#pragma once
#include <array>
#include <cstdint>
#include <string>

namespace ql {

/// No tensor has more elements: sizes in bytes then stay far from the end of 64 bits, whatever the type.
inline constexpr int64_t kMostElements = int64_t{1} << 48;

struct Shape {
    std::array<int64_t, 4> ne{1, 1, 1, 1};

    constexpr Shape() = default;
    constexpr Shape(int64_t a, int64_t b = 1, int64_t c = 1, int64_t d = 1) : ne{a, b, c, d} {}

    constexpr int64_t operator[](int i) const { return ne[static_cast<size_t>(i)]; }
    constexpr int64_t elements() const { return ne[0] * ne[1] * ne[2] * ne[3]; }
    /// Rows of ne[0] elements.
    constexpr int64_t rows() const { return ne[1] * ne[2] * ne[3]; }
    bool operator==(const Shape &) const = default;

    /// "[576, 512]": dimensions up to the last that is not 1, at least one.
    std::string str() const;
};

}  // namespace ql
