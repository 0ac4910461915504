#include "models/text/jinja/walk.hpp"

namespace ql::jinja {

namespace {

void walk(const ExprPtr & expr, const std::function<void(const Expr &)> & see) {
    if (!expr) return;
    see(*expr);
    for (const ExprPtr & part : expr->args) walk(part, see);
    for (const auto & named : expr->named) walk(named.second, see);
}

}  // namespace

void for_each_expr(const Block & block, const std::function<void(const Expr &)> & see) {
    for (const auto & stmt : block) {
        for (const auto & parameter : stmt->parameters) walk(parameter.second, see);
        walk(stmt->expr, see);
        walk(stmt->filter, see);
        for (const auto & [condition, body] : stmt->branches) {
            walk(condition, see);
            for_each_expr(body, see);
        }
        for_each_expr(stmt->body, see);
        for_each_expr(stmt->orelse, see);
    }
}

}  // namespace ql::jinja
