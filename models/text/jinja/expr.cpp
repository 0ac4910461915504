// Expressions. Evaluation calls itself over the tree, so each kind has a function of its own: one function for all
// would hold every kind's temporaries in its frame, at every level.
#include "models/text/jinja/eval.hpp"

namespace ql::jinja {

using Kind = Expr::Kind;

Result<Value> Evaluator::evaluate(const Expr & expr, Scope & scope) {
    if (expr.kind == Kind::literal || expr.kind == Kind::name) {
        QL_TRY(at_line(meter_.step(), expr.line));
        if (expr.kind == Kind::literal) return expr.value;
        if (watch_) watch_->reads(expr, scope);
        const Value * value = scope.find(expr.name);
        return value ? *value : Value(Undefined::of(expr.name));
    }
    Status ready = meter_.step();
    if (ready.ok()) ready = meter_.check_stack();
    if (!ready.ok()) return at_line(ready, expr.line);
    auto value = evaluate_kind(expr, scope);
    if (!value.ok()) return at_line(value.status(), expr.line);
    return value;
}

Result<Value> Evaluator::evaluate_kind(const Expr & expr, Scope & scope) {
    switch (expr.kind) {
        case Kind::literal:
        case Kind::name:
            break;  // evaluate() handles them
        case Kind::list:
        case Kind::tuple:
            return collection(expr, scope);
        case Kind::dict:
            return dict(expr, scope);
        case Kind::attribute:
            return attribute(expr, scope);
        case Kind::index:
            return index(expr, scope);
        case Kind::slice:
            return slice(expr, scope);
        case Kind::call:
            return call(expr, scope);
        case Kind::filter:
            return filter(expr, scope, nullptr);
        case Kind::test:
            return test(expr, scope);
        case Kind::unary:
            return unary(expr, scope);
        case Kind::binary:
            return arithmetic(expr, scope);
        case Kind::logical:
            return logical(expr, scope);
        case Kind::compare:
            return comparison(expr, scope);
        case Kind::conditional:
            return conditional(expr, scope);
    }
    return error(QL_INTERNAL, "an expression of no kind");
}

[[gnu::noinline]] Result<Value> Evaluator::attribute(const Expr & expr, Scope & scope) {
    QL_ASSIGN(const Value object, evaluate(*expr.args[0], scope));
    if (watch_) watch_->takes_attribute(expr, object);
    return get_attribute(object, expr.name);
}

[[gnu::noinline]] Result<Value> Evaluator::index(const Expr & expr, Scope & scope) {
    QL_ASSIGN(const Value object, evaluate(*expr.args[0], scope));
    QL_ASSIGN(const Value key, evaluate(*expr.args[1], scope));
    if (watch_) watch_->takes_item(expr, object, key);
    return get_item(object, key, meter_);
}

[[gnu::noinline]] Result<Value> Evaluator::test(const Expr & expr, Scope & scope) {
    QL_ASSIGN(Value value, evaluate(*expr.args[0], scope));
    if (watch_) watch_->tests(expr, value);
    QL_ASSIGN(Call prepared, prepare(expr, scope, expr.name, std::move(value)));
    QL_ASSIGN(const bool holds, apply_test(std::move(prepared)));
    return Value(holds);
}

[[gnu::noinline]] Result<Value> Evaluator::arithmetic(const Expr & expr, Scope & scope) {
    QL_ASSIGN(const Value left, evaluate(*expr.args[0], scope));
    QL_ASSIGN(const Value right, evaluate(*expr.args[1], scope));
    if (watch_) watch_->computes(expr, left, right);
    return binary(expr.name, left, right, meter_);
}

[[gnu::noinline]] Result<Value> Evaluator::conditional(const Expr & expr, Scope & scope) {
    QL_ASSIGN(const Value condition, evaluate(*expr.args[1], scope));
    if (condition.truthy()) return evaluate(*expr.args[0], scope);
    return expr.args[2] ? evaluate(*expr.args[2], scope) : Value(Undefined{"the inline if"});
}

[[gnu::noinline]] Result<Value> Evaluator::logical(const Expr & expr, Scope & scope) {
    auto left = evaluate(*expr.args[0], scope);
    if (!left.ok() || left->truthy() == (expr.name == "or")) return left;
    return evaluate(*expr.args[1], scope);
}

[[gnu::noinline]] Result<Value> Evaluator::unary(const Expr & expr, Scope & scope) {
    QL_ASSIGN(const Value value, evaluate(*expr.args[0], scope));
    if (expr.name == "not") return Value(!value.truthy());
    if (!value.is_number() && !value.is_undefined())
        return error(QL_INVALID_ARGUMENT, "'%s' does not go with %s", expr.name.c_str(), value.type_name());
    return binary(expr.name, Value(int64_t{0}), value, meter_);
}

/// a < b < c: every neighbouring pair, until one fails.
[[gnu::noinline]] Result<Value> Evaluator::comparison(const Expr & expr, Scope & scope) {
    QL_ASSIGN(Value left, evaluate(*expr.args[0], scope));
    for (size_t i = 0; i < expr.ops.size(); ++i) {
        QL_ASSIGN(Value right, evaluate(*expr.args[i + 1], scope));
        QL_ASSIGN(const bool holds, compare(expr.ops[i], left, right, meter_));
        if (!holds) return Value(false);
        left = std::move(right);
    }
    return Value(true);
}

[[gnu::noinline]] Result<Value> Evaluator::collection(const Expr & expr, Scope & scope) {
    ListMaker items(meter_);
    for (const auto & arg : expr.args) {
        QL_ASSIGN(Value item, evaluate(*arg, scope));
        QL_TRY(items.add(std::move(item)));
    }
    return expr.kind == Kind::tuple ? items.tuple() : items.list();
}

[[gnu::noinline]] Result<Value> Evaluator::dict(const Expr & expr, Scope & scope) {
    Dict dict;
    for (size_t i = 0; i < expr.args.size(); i += 2) {
        QL_ASSIGN(const Value key, evaluate(*expr.args[i], scope));
        QL_ASSIGN(Value value, evaluate(*expr.args[i + 1], scope));
        const bool text = key.is_string() && !is_number_key(key.text().view());
        if (!text && !key.is<int64_t>())
            return error(QL_UNSUPPORTED, "a dict's key that is %s is not supported", key.type_name());
        std::string name = text ? key.text().bytes() : number_key(key.integer());
        QL_TRY(meter_.charge(2 * (sizeof(Dict::Item) + name.size())));
        dict.set(std::move(name), std::move(value));
    }
    QL_TRY(meter_.charge(sizeof(Dict)));
    if (dict.depth() > kMaxNesting) return error(QL_UNSUPPORTED, "dicts are nested too deeply");
    return Value::dict(std::move(dict));
}

[[gnu::noinline]] Result<Value> Evaluator::slice(const Expr & expr, Scope & scope) {
    QL_ASSIGN(const Value object, evaluate(*expr.args[0], scope));
    if (watch_) watch_->takes_slice(expr, object);
    Value parts[3] = {Value(None{}), Value(None{}), Value(None{})};
    for (size_t i = 0; i < 3; ++i) {
        if (!expr.args[i + 1]) continue;
        QL_ASSIGN(parts[i], evaluate(*expr.args[i + 1], scope));
    }
    return get_slice(object, parts[0], parts[1], parts[2], meter_);
}

[[gnu::noinline]] Result<Call> Evaluator::prepare(const Expr & expr, Scope & scope, std::string_view name, Value self) {
    Call call{name, std::move(self), {}, {}, meter_, {}};
    for (size_t i = 1; i < expr.args.size(); ++i) {
        QL_ASSIGN(Value arg, evaluate(*expr.args[i], scope));
        call.args.push_back(std::move(arg));
    }
    for (const auto & [key, value] : expr.named) {
        QL_ASSIGN(Value arg, evaluate(*value, scope));
        call.named.emplace_back(key, std::move(arg));
    }
    return call;
}

[[gnu::noinline]] Result<Value> Evaluator::call(const Expr & expr, Scope & scope) {
    QL_ASSIGN(const Value target, evaluate(*expr.args[0], scope));
    if (target.is_undefined() && target.undefined_name() == "strftime_now")
        return error(QL_UNSUPPORTED, "the template asks for today's date, and none was given");
    if (target.is_undefined())
        return error(QL_UNSUPPORTED, "the function or method '%s' is not defined", target.undefined_name().c_str());
    if (!target.is_callable()) return error(QL_INVALID_ARGUMENT, "%s cannot be called", target.type_name());
    const Callable & callable = target.callable();
    QL_ASSIGN(Call prepared, prepare(expr, scope, callable.name, callable.self));
    if (watch_ && callable.kind == Callable::Kind::method) watch_->calls(expr, prepared);
    return invoke(callable, std::move(prepared), scope);
}

Result<Value> Evaluator::invoke(const Callable & callable, Call call, const Scope & caller) {
    if (callable.kind == Callable::Kind::macro) return call_macro(*callable.macro, std::move(call), caller);
    if (callable.kind == Callable::Kind::method) return call_method(std::move(call));
    auto result = call_function(std::move(call));
    if (result.ok() && result->is_namespace()) namespaces_.push_back(result->ns_ptr());
    return result;
}

[[gnu::noinline]] Result<Value> Evaluator::filter(const Expr & expr, Scope & scope, const Value * captured) {
    QL_TRY(meter_.check_stack());
    Value value;
    if (!expr.args[0]) {
        value = *captured;  // the text of a block set
    } else if (captured) {
        QL_ASSIGN(value, filter(*expr.args[0], scope, captured));
    } else {
        QL_ASSIGN(value, evaluate(*expr.args[0], scope));
    }
    QL_ASSIGN(Call prepared, prepare(expr, scope, expr.name, std::move(value)));
    if (watch_) watch_->filters(expr, prepared);
    return apply_filter(std::move(prepared));
}

}  // namespace ql::jinja
