// Statements: printing, conditions, loops, assignments, macros.
#include "models/text/jinja_eval.hpp"

#include <utility>

#include "models/text/jinja_lexer.hpp"

namespace ql::jinja {

using Flow = Evaluator::Flow;
using Kind = Stmt::Kind;

Status at_line(const Status & status, int line) {
    if (status.ok() || status.message().starts_with("line ")) return status;
    return error(status.code(), "line %d: %s", line, status.message().c_str());
}

Evaluator::Evaluator(Dict variables, const std::string & date, Meter meter) : meter_(meter) {
    root_.parent = &globals_;
    for (const Builtin & row : functions()) {
        const bool is_date = row.name == std::string_view("strftime_now");
        if (is_date && date.empty()) continue;
        Callable function{Callable::Kind::function, row.name, nullptr, is_date ? Value(date) : Value()};
        globals_.names.set(row.name, Value(std::make_shared<const Callable>(std::move(function))));
    }
    for (auto & [name, value] : variables.items) globals_.names.set(name, std::move(value));
}

Evaluator::~Evaluator() {
    for (auto & ns : namespaces_) ns->attributes.items.clear();
}

Result<Text> Evaluator::run(const Block & block) {
    Text out;
    QL_ASSIGN(const Flow flow, execute(block, root_, out));
    (void)flow;  // the parser allows break and continue in loops only
    return out;
}

Result<Text> render(const Block & block, Dict variables, const std::string & date, Meter meter) {
    return Evaluator(std::move(variables), date, meter).run(block);
}

Result<Flow> Evaluator::execute(const Block & block, Scope & scope, Text & out) {
    for (const auto & stmt : block) {
        auto flow = execute(*stmt, scope, out);
        if (!flow.ok()) return at_line(flow.status(), stmt->line);
        if (*flow != Flow::normal) return flow;
    }
    return Flow::normal;
}

Result<Flow> Evaluator::execute(const Stmt & stmt, Scope & scope, Text & out) {
    QL_TRY(meter_.step());
    switch (stmt.kind) {
        case Kind::text:
            QL_TRY(meter_.charge(stmt.text.size()));
            out.append(stmt.text);
            break;
        case Kind::print:
            QL_TRY(print(stmt, scope, out));
            break;
        case Kind::condition:
            return condition(stmt, scope, out);
        case Kind::loop:
            return loop(stmt, scope, out);
        case Kind::assign:
            QL_TRY(assign(stmt, scope));
            break;
        case Kind::capture:
            QL_TRY(capture(stmt, scope));
            break;
        case Kind::macro: {
            Callable macro{Callable::Kind::macro, stmt.name, &stmt, Value()};
            root_.names.set(stmt.name, Value(std::make_shared<const Callable>(std::move(macro))));
            break;
        }
        case Kind::generation: {
            Scope inner{&scope, {}};
            Text text;
            QL_ASSIGN(const Flow flow, execute(stmt.body, inner, text));
            text.mark_generated();
            QL_TRY(meter_.charge(text.size()));
            out.append(text);
            return flow;
        }
        case Kind::leave:
            return Flow::leave;
        case Kind::next:
            return Flow::next;
    }
    return Flow::normal;
}

Status Evaluator::print(const Stmt & stmt, Scope & scope, Text & out) {
    QL_ASSIGN(const Value value, evaluate(*stmt.expr, scope));
    QL_ASSIGN(const Text text, to_text(value, meter_));
    QL_TRY(meter_.charge(text.size()));
    out.append(text);
    return {};
}

Result<Flow> Evaluator::condition(const Stmt & stmt, Scope & scope, Text & out) {
    for (const auto & [test, body] : stmt.branches) {
        auto value = evaluate(*test, scope);
        if (!value.ok()) return value.status();
        if (value->truthy()) return execute(body, scope, out);
    }
    return execute(stmt.orelse, scope, out);
}

Status Evaluator::bind_targets(const Stmt & stmt, const Value & value, Scope & scope) {
    if (stmt.targets.size() == 1) {
        scope.names.set(stmt.targets[0], value);
        return {};
    }
    QL_ASSIGN(const auto parts, iterate(value, meter_));
    if (parts->items.size() != stmt.targets.size())
        return error(QL_INVALID_ARGUMENT, "%zu names for %zu values", stmt.targets.size(), parts->items.size());
    for (size_t i = 0; i < stmt.targets.size(); ++i) scope.names.set(stmt.targets[i], parts->items[i]);
    return {};
}

Result<std::shared_ptr<const List>> Evaluator::loop_items(const Stmt & stmt, Scope & scope) {
    QL_ASSIGN(const Value value, evaluate(*stmt.expr, scope));
    QL_ASSIGN(auto list, iterate(value, meter_));
    if (!stmt.filter) return list;
    std::vector<Value> kept;
    for (const Value & item : list->items) {
        Scope inner{&scope, {}};
        QL_TRY(bind_targets(stmt, item, inner));
        QL_ASSIGN(const Value passes, evaluate(*stmt.filter, inner));
        if (passes.truthy()) kept.push_back(item);
    }
    QL_ASSIGN(const Value filtered, make_list(std::move(kept), meter_));
    return filtered.list_ptr();
}

Result<Flow> Evaluator::loop(const Stmt & stmt, Scope & scope, Text & out) {
    QL_ASSIGN(const auto list, loop_items(stmt, scope));
    if (list->items.empty()) {
        Scope inner{&scope, {}};
        return execute(stmt.orelse, inner, out);
    }
    auto state = std::make_shared<Loop>(Loop{list, 0, ++loop_depth_, {}});
    Status failed;
    for (; state->index < list->items.size(); ++state->index) {
        Scope inner{&scope, {}};
        inner.names.set("loop", Value(state));
        failed = bind_targets(stmt, list->items[state->index], inner);
        if (!failed.ok()) break;
        const auto flow = execute(stmt.body, inner, out);
        if (!flow.ok()) failed = flow.status();
        if (!flow.ok() || *flow == Flow::leave) break;
    }
    state->changed.clear();  // it may hold the loop itself
    --loop_depth_;
    if (!failed.ok()) return failed;
    return Flow::normal;
}

Status Evaluator::assign(const Stmt & stmt, Scope & scope) {
    QL_ASSIGN(Value value, evaluate(*stmt.expr, scope));
    if (stmt.attribute.empty()) return bind_targets(stmt, value, scope);
    const Value * target = scope.find(stmt.targets[0]);
    if (!target || !target->is_namespace())
        return error(QL_INVALID_ARGUMENT, "'%s' is not a namespace; only those have attributes to set",
                     stmt.targets[0].c_str());
    target->ns().attributes.set(stmt.attribute, std::move(value));
    return {};
}

Status Evaluator::capture(const Stmt & stmt, Scope & scope) {
    Scope inner{&scope, {}};
    Text text;
    QL_ASSIGN(const Flow flow, execute(stmt.body, inner, text));
    if (flow != Flow::normal) return error(QL_UNSUPPORTED, "break or continue inside a block set is not supported");
    Value value(std::move(text));
    if (stmt.expr) {
        QL_ASSIGN(value, filter(*stmt.expr, scope, &value));
    }
    if (stmt.attribute.empty()) {
        scope.names.set(stmt.targets[0], std::move(value));
        return {};
    }
    const Value * target = scope.find(stmt.targets[0]);
    if (!target || !target->is_namespace())
        return error(QL_INVALID_ARGUMENT, "'%s' is not a namespace", stmt.targets[0].c_str());
    target->ns().attributes.set(stmt.attribute, std::move(value));
    return {};
}

Result<Value> Evaluator::call_macro(const Stmt & macro, Call call) {
    std::vector<const char *> names;
    for (const auto & parameter : macro.parameters) names.push_back(parameter.first.c_str());
    const size_t given = call.args.size();
    std::vector<bool> set(names.size(), false);
    for (size_t i = 0; i < names.size(); ++i) {
        set[i] = i < given;
        for (const auto & named : call.named) set[i] = set[i] || named.first == names[i];
    }
    QL_TRY(call.bind(names));
    Scope scope{&root_, {}};
    for (size_t i = 0; i < names.size(); ++i) {
        Value value = set[i] ? call.args[i] : Value(Undefined{names[i]});
        if (!set[i] && macro.parameters[i].second) {
            QL_ASSIGN(value, evaluate(*macro.parameters[i].second, scope));
        }
        scope.names.set(names[i], std::move(value));
    }
    Text out;
    QL_ASSIGN(const Flow flow, execute(macro.body, scope, out));
    (void)flow;
    return make_text(std::move(out), meter_);
}

}  // namespace ql::jinja
