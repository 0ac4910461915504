// The signature of kernels of products with few tokens.
#pragma once
#include <cstdint>

namespace ql::cpu {

struct Product;

/// c[row, t] = add[row, t] + scale W x for rows [first, last) and some number of tokens; a null `add` is zero. x is the
/// product's operand, or what gemv.cpp made of it.
using DotRows = void (*)(const Product & p, const void * x, int64_t first, int64_t last, const float * add, float * c);

}  // namespace ql::cpu
