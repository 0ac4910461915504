#include "models/text/jinja/watch.hpp"

#include <algorithm>

#include "models/text/jinja/eval.hpp"

namespace ql::jinja {

namespace {

/// Whether it changes when it is added to a safe one.
bool is_escaped(const Text & text) {
    return !text.is_safe() && text.view().find_first_of("&<>'\"") != std::string_view::npos;
}

using Kind = Expr::Kind;

std::string spell(const Value & literal) {
    if (literal.is_string()) return "'" + literal.text().bytes() + "'";
    if (literal.is<int64_t>()) return std::to_string(literal.integer());
    return literal.is_none() ? "none" : "...";
}

/// The expression as its author may have written it; parts that do not matter here are dots.
std::string spell(const Expr & expr) {
    const auto operand = [&](size_t i) {
        return i < expr.args.size() && expr.args[i] ? spell(*expr.args[i]) : std::string();
    };
    switch (expr.kind) {
        case Kind::literal:
            return spell(expr.value);
        case Kind::name:
            return expr.name;
        case Kind::attribute:
            return operand(0) + "." + expr.name;
        case Kind::index:
            return operand(0) + "[" + operand(1) + "]";
        case Kind::slice:
            return operand(0) + "[" + operand(1) + ":" + operand(2) + "]";
        case Kind::call:
            return operand(0) + "(" + operand(1) + ")";
        case Kind::filter:
            return operand(0) + " | " + expr.name + (expr.args.size() > 1 ? "(" + operand(1) + ")" : "");
        case Kind::test:
            return operand(0) + " is " + expr.name;
        case Kind::unary:
            return expr.name + (expr.name == "not" ? " " : "") + operand(0);
        case Kind::binary:
            return operand(0) + " " + expr.name + " " + operand(1);
        default:
            return "...";
    }
}

/// The message whose content is the string, from its first to its last byte; -1: another string.
int32_t message_of(const Value & value) {
    if (!value.is_string() || value.text().runs().size() != 1) return -1;
    const Run & run = value.text().runs()[0];
    return run.begin == 0 && run.end == value.text().size() ? run.source : -1;
}

bool has(const Scope & first, const Scope * end, const std::string & name) {
    for (const Scope * scope = &first; scope && scope != end; scope = scope->parent)
        if (scope->names.find(name)) return true;
    return false;
}

}  // namespace

void Watch::see(Difference difference, const Expr & expr, int32_t message) {
    const auto same = [&](const Sighting & s) { return s.difference == difference; };
    if (std::none_of(seen_.begin(), seen_.end(), same))
        seen_.push_back({difference, expr.line, Undefined::of(spell(expr)).name, message});
}

void Watch::reads(const Expr & name, const Scope & scope) {
    for (const Scope * at = &scope; at; at = at->parent) {
        if (at->names.find(name.name)) return;
        if (at->left_behind && at->left_behind->find(name.name)) return see(Difference::carried_over, name);
        if (at->caller && has(*at->caller, at->parent, name.name)) return see(Difference::callers_name, name);
    }
}

void Watch::prints(const Expr & expr, const Value & value) {
    if (value.is_none()) see(Difference::prints_none, expr);
    if (value.is_list() || value.is_dict()) see(Difference::prints_list, expr);
}

void Watch::takes_attribute(const Expr & expr, const Value & object) {
    if (object.is_loop() && expr.name.starts_with("depth")) see(Difference::loop_depth, expr);
}

void Watch::takes_item(const Expr & expr, const Value & object, const Value & key) {
    if (!object.is_string() || !key.is<int64_t>()) return;
    if (key.integer() < 0) see(Difference::from_end, expr);
    if (const int32_t message = message_of(object); message >= 0) see(Difference::indexed, expr, message);
}

void Watch::takes_slice(const Expr & expr, const Value & object) {
    const bool all = !expr.args[1] && !expr.args[2] && !expr.args[3];
    if (!all && message_of(object) >= 0) see(Difference::sliced, expr);
}

void Watch::loops(const Stmt & loop, const Value & over) {
    if (const int32_t message = message_of(over); message >= 0) see(Difference::looped, *loop.expr, message);
}

void Watch::computes(const Expr & expr, const Value & left, const Value & right) {
    if (expr.name == "~" && (left.is_none() || right.is_none())) see(Difference::prints_none, expr);
    if (expr.name == "%" && left.is_number() && left.number() < 0) see(Difference::remainder, expr);
    if (expr.name == "+" && left.is_string() && right.is_string() &&
        ((left.text().is_safe() && is_escaped(right.text())) || (right.text().is_safe() && is_escaped(left.text()))))
        see(Difference::sum_with_safe, expr);
}

void Watch::filters(const Expr & expr, const Call & call) {
    const bool selects = call.name == "select" || call.name == "reject";
    if (selects && call.args.size() == 1 && call.self.is_list() && !call.self.list().items.empty())
        see(Difference::select_filter, expr);
    if ((call.name != "default" && call.name != "d") || !call.self.is_none()) return;
    const auto truthy = [](const auto & named) { return named.first == "boolean" && named.second.truthy(); };
    const bool of_all =
        (call.args.size() > 1 && call.args[1].truthy()) || std::any_of(call.named.begin(), call.named.end(), truthy);
    if (!of_all) see(Difference::default_of_none, expr);
}

void Watch::tests(const Expr & expr, const Value & value) {
    if (expr.name == "number" && value.is_bool()) see(Difference::number_test, expr);
}

void Watch::calls(const Expr & expr, const Call & method) {
    const bool at_blanks = method.args.empty() || method.args[0].is_none();
    if (method.self.is_string() && method.name == "split" && at_blanks) see(Difference::split_method, expr);
}

}  // namespace ql::jinja
