// Expressions.
#include "models/text/jinja_eval.hpp"

namespace ql::jinja {

using Kind = Expr::Kind;

Result<Value> Evaluator::evaluate(const Expr & expr, Scope & scope) {
    QL_TRY(at_line(meter_.step(), expr.line));
    if (meter_.depth_left <= 0)
        return error(QL_UNSUPPORTED, "line %d: the template calls itself too deeply", expr.line);
    --meter_.depth_left;
    auto value = evaluate_kind(expr, scope);
    ++meter_.depth_left;
    if (!value.ok()) return at_line(value.status(), expr.line);
    return value;
}

Result<Value> Evaluator::evaluate_kind(const Expr & expr, Scope & scope) {
    switch (expr.kind) {
        case Kind::literal:
            return expr.value;
        case Kind::name: {
            const Value * value = scope.find(expr.name);
            return value ? *value : Value(Undefined{expr.name});
        }
        case Kind::list:
        case Kind::tuple:
        case Kind::dict:
            return collection(expr, scope);
        case Kind::attribute: {
            QL_ASSIGN(const Value object, evaluate(*expr.args[0], scope));
            return get_attribute(object, expr.name);
        }
        case Kind::index: {
            QL_ASSIGN(const Value object, evaluate(*expr.args[0], scope));
            QL_ASSIGN(const Value key, evaluate(*expr.args[1], scope));
            return get_item(object, key, meter_);
        }
        case Kind::slice:
            return slice(expr, scope);
        case Kind::call:
            return call(expr, scope);
        case Kind::filter:
            return filter(expr, scope, nullptr);
        case Kind::test: {
            QL_ASSIGN(Value value, evaluate(*expr.args[0], scope));
            QL_ASSIGN(Call prepared, prepare(expr, scope, expr.name, std::move(value)));
            QL_ASSIGN(const bool holds, apply_test(std::move(prepared)));
            return Value(holds);
        }
        case Kind::unary:
            return unary(expr, scope);
        case Kind::binary: {
            if (expr.name == "and" || expr.name == "or") return logical(expr, scope);
            QL_ASSIGN(const Value left, evaluate(*expr.args[0], scope));
            QL_ASSIGN(const Value right, evaluate(*expr.args[1], scope));
            return binary(expr.name, left, right, meter_);
        }
        case Kind::compare:
            return comparison(expr, scope);
        case Kind::conditional: {
            QL_ASSIGN(const Value condition, evaluate(*expr.args[1], scope));
            if (condition.truthy()) return evaluate(*expr.args[0], scope);
            return expr.args[2] ? evaluate(*expr.args[2], scope) : Value(Undefined{"the inline if"});
        }
    }
    return error(QL_INTERNAL, "an expression of no kind");
}

Result<Value> Evaluator::logical(const Expr & expr, Scope & scope) {
    auto left = evaluate(*expr.args[0], scope);
    if (!left.ok() || left->truthy() == (expr.name == "or")) return left;
    return evaluate(*expr.args[1], scope);
}

Result<Value> Evaluator::unary(const Expr & expr, Scope & scope) {
    QL_ASSIGN(const Value value, evaluate(*expr.args[0], scope));
    if (expr.name == "not") return Value(!value.truthy());
    return binary(expr.name, Value(int64_t{0}), value, meter_);
}

/// a < b < c: every neighbouring pair, until one fails.
Result<Value> Evaluator::comparison(const Expr & expr, Scope & scope) {
    QL_ASSIGN(Value left, evaluate(*expr.args[0], scope));
    for (size_t i = 0; i < expr.ops.size(); ++i) {
        QL_ASSIGN(Value right, evaluate(*expr.args[i + 1], scope));
        QL_ASSIGN(const bool holds, compare(expr.ops[i], left, right, meter_));
        if (!holds) return Value(false);
        left = std::move(right);
    }
    return Value(true);
}

Result<Value> Evaluator::collection(const Expr & expr, Scope & scope) {
    std::vector<Value> items;
    for (const auto & arg : expr.args) {
        QL_ASSIGN(Value item, evaluate(*arg, scope));
        items.push_back(std::move(item));
    }
    if (expr.kind != Kind::dict) return make_list(std::move(items), meter_, expr.kind == Kind::tuple);
    Dict dict;
    QL_TRY(meter_.charge((items.size() + 1) * sizeof(Value)));
    for (size_t i = 0; i < items.size(); i += 2) {
        if (!items[i].is_string())
            return error(QL_UNSUPPORTED, "a dict's key that is %s is not supported", items[i].type_name());
        dict.set(items[i].text().bytes(), std::move(items[i + 1]));
    }
    if (dict.depth > kMaxNesting) return error(QL_UNSUPPORTED, "dicts are nested too deeply");
    return Value::dict(std::move(dict));
}

Result<Value> Evaluator::slice(const Expr & expr, Scope & scope) {
    QL_ASSIGN(const Value object, evaluate(*expr.args[0], scope));
    Value parts[3] = {Value(None{}), Value(None{}), Value(None{})};
    for (size_t i = 0; i < 3; ++i) {
        if (!expr.args[i + 1]) continue;
        QL_ASSIGN(parts[i], evaluate(*expr.args[i + 1], scope));
    }
    return get_slice(object, parts[0], parts[1], parts[2], meter_);
}

Result<Call> Evaluator::prepare(const Expr & expr, Scope & scope, std::string name, Value self) {
    Call call{std::move(name), std::move(self), {}, {}, meter_};
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

Result<Value> Evaluator::call(const Expr & expr, Scope & scope) {
    QL_ASSIGN(const Value target, evaluate(*expr.args[0], scope));
    if (target.is_undefined() && target.undefined_name() == "strftime_now")
        return error(QL_UNSUPPORTED, "the template asks for today's date, and none was given");
    if (target.is_undefined()) {
        return error(QL_UNSUPPORTED, "the function or method '%s' is not defined", target.undefined_name().c_str());
    }
    if (!target.is_callable()) return error(QL_INVALID_ARGUMENT, "%s cannot be called", target.type_name());
    const Callable & callable = target.callable();
    QL_ASSIGN(Call prepared, prepare(expr, scope, callable.name, callable.self));
    if (callable.kind == Callable::Kind::macro) return call_macro(*callable.macro, std::move(prepared));
    if (callable.kind == Callable::Kind::method) return call_method(std::move(prepared));
    auto result = call_function(std::move(prepared));
    if (result.ok() && result->is_namespace()) namespaces_.push_back(result->ns_ptr());
    return result;
}

Result<Value> Evaluator::filter(const Expr & expr, Scope & scope, const Value * captured) {
    Value value;
    if (!expr.args[0]) {
        value = *captured;  // the text of a block set
    } else if (captured) {
        QL_ASSIGN(value, filter(*expr.args[0], scope, captured));
    } else {
        QL_ASSIGN(value, evaluate(*expr.args[0], scope));
    }
    QL_ASSIGN(Call prepared, prepare(expr, scope, expr.name, std::move(value)));
    return apply_filter(std::move(prepared));
}

}  // namespace ql::jinja
