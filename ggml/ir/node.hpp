// A node: one operator applied to operands, with the operator's scalar parameters.
#pragma once
#include <cstddef>
#include <cstring>
#include <type_traits>
#include <vector>

#include "ggml/ir/operand.hpp"

namespace ql {

struct OpDef;

/// Tells the types of parameters apart.
using ParamsType = const void *;
template <typename T>
inline constexpr char kParamsTag = 0;
template <typename T>
constexpr ParamsType params_type() {
    return &kParamsTag<T>;
}

/// An operator's scalar parameters: a small plain struct that only the operator's own files name.
class Params {
  public:
    Params() = default;
    template <typename T>
    requires(!std::is_same_v<T, Params>) Params(const T & value) : type_(params_type<T>()) {
        static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= sizeof(bytes_));
        std::memcpy(bytes_, &value, sizeof(T));
    }
    template <typename T>
    T as() const {
        static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= sizeof(bytes_));
        T value;
        std::memcpy(&value, bytes_, sizeof(T));
        return value;
    }
    /// Null if there are none.
    ParamsType type() const { return type_; }
    bool operator==(const Params & o) const { return std::memcmp(bytes_, o.bytes_, sizeof(bytes_)) == 0; }

  private:
    alignas(8) std::byte bytes_[48]{};
    ParamsType type_ = nullptr;
};

/// What rules and kernels see of a node. The graph's nodes and the plan's derive from it.
struct Node {
    const OpDef * def = nullptr;
    Params params;
    std::vector<Operand *> src;  // null: an optional source that is absent
    std::vector<Operand *> out;
};

}  // namespace ql
