// Looks at what a template holds, without running the template.
#pragma once
#include <functional>

#include "models/text/jinja/ast.hpp"

namespace ql::jinja {

/// Calls `see` with every expression of the block, of the blocks in it, and inside other expressions: in the order of
/// the text, an outer one before those in it.
void for_each_expr(const Block & block, const std::function<void(const Expr &)> & see);

}  // namespace ql::jinja
