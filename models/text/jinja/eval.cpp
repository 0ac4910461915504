// Statements: printing, conditions, loops, assignments, macros.
#include "models/text/jinja/eval.hpp"

#include <utility>

#include "models/text/jinja/lexer.hpp"
#include "models/text/jinja/print.hpp"

namespace ql::jinja {

using Flow = Evaluator::Flow;
using StmtKind = Stmt::Kind;

Status at_line(const Status & status, int line) {
    if (status.ok() || status.message().starts_with("line ")) return status;
    return error(status.code(), "line %d: %s", line, status.message().c_str());
}

Evaluator::Evaluator(Dict variables, const std::string & date, Meter meter, Watch * watch)
    : meter_(meter), watch_(watch) {
    root_.parent = &globals_;
    for (const Builtin & row : functions()) {
        const bool is_date = row.name == std::string_view("strftime_now");
        if (is_date && date.empty()) continue;
        Callable function{Callable::Kind::function, row.name, nullptr, is_date ? Value(date) : Value()};
        globals_.names.set(row.name, Value(std::make_shared<const Callable>(std::move(function))));
    }
    for (const auto & [name, value] : variables.items()) globals_.names.set(name, value);
}

Evaluator::~Evaluator() {
    for (auto & ns : namespaces_) ns->attributes.clear();
}

Result<Text> Evaluator::run(const Block & block) {
    Text out;
    QL_ASSIGN(const Flow flow, execute(block, root_, out));
    (void)flow;  // the parser allows break and continue in loops only
    return out;
}

Result<Text> render(const Block & block, Dict variables, const std::string & date, Meter meter, Watch * watch) {
    return Evaluator(std::move(variables), date, meter, watch).run(block);
}

Result<Flow> Evaluator::execute(const Block & block, Scope & scope, Text & out) {
    QL_TRY(meter_.check_stack());
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
        case StmtKind::text:
            QL_TRY(append(out, stmt.text, meter_));
            break;
        case StmtKind::print:
            QL_TRY(print(stmt, scope, out));
            break;
        case StmtKind::condition:
            return condition(stmt, scope, out);
        case StmtKind::loop:
            return loop(stmt, scope, out);
        case StmtKind::assign:
            QL_TRY(assign(stmt, scope));
            break;
        case StmtKind::capture:
            QL_TRY(capture(stmt, scope));
            break;
        case StmtKind::filtered:
            QL_TRY(filtered(stmt, scope, out));
            break;
        case StmtKind::macro: {
            Callable macro{Callable::Kind::macro, stmt.name, &stmt, Value()};
            root_.names.set(stmt.name, Value(std::make_shared<const Callable>(std::move(macro))));
            break;
        }
        case StmtKind::generation:
            return generation(stmt, scope, out);
        case StmtKind::leave:
            return Flow::leave;
        case StmtKind::next:
            return Flow::next;
    }
    return Flow::normal;
}

[[gnu::noinline]] Result<Flow> Evaluator::generation(const Stmt & stmt, Scope & scope, Text & out) {
    Scope inner{&scope, {}};
    Text text;
    QL_ASSIGN(const Flow flow, execute(stmt.body, inner, text));
    QL_TRY(meter_.charge(2 * text.runs().size() + 1, sizeof(Run)));
    text.mark_generated();
    QL_TRY(append(out, text, meter_));
    return flow;
}

[[gnu::noinline]] Status Evaluator::print(const Stmt & stmt, Scope & scope, Text & out) {
    QL_ASSIGN(const Value value, evaluate(*stmt.expr, scope));
    if (watch_) watch_->prints(*stmt.expr, value);
    QL_ASSIGN(const TextPtr text, to_text(value, meter_));
    return append(out, *text, meter_);
}

[[gnu::noinline]] Result<Flow> Evaluator::condition(const Stmt & stmt, Scope & scope, Text & out) {
    for (const auto & [test, body] : stmt.branches) {
        QL_ASSIGN(const Value value, evaluate(*test, scope));
        if (value.truthy()) return execute(body, scope, out);
    }
    return execute(stmt.orelse, scope, out);
}

Status Evaluator::bind_targets(const Stmt & stmt, const Value & value, Scope & scope) {
    if (stmt.targets.size() == 1) {
        scope.names.set(stmt.targets[0], value);
        return {};
    }
    QL_TRY(meter_.step(stmt.targets.size()));
    QL_ASSIGN(const auto parts, iterate(value, meter_));
    if (parts->items.size() != stmt.targets.size())
        return error(QL_INVALID_ARGUMENT, "%zu names for %zu values", stmt.targets.size(), parts->items.size());
    for (size_t i = 0; i < stmt.targets.size(); ++i) scope.names.set(stmt.targets[i], parts->items[i]);
    return {};
}

[[gnu::noinline]] Result<std::shared_ptr<const List>> Evaluator::loop_items(const Stmt & stmt, Scope & scope) {
    QL_ASSIGN(const Value value, evaluate(*stmt.expr, scope));
    if (watch_) watch_->loops(stmt, value);
    QL_ASSIGN(auto list, iterate(value, meter_));
    if (!stmt.filter) return list;
    ListMaker kept(meter_);
    for (const Value & item : list->items) {
        Scope inner{&scope, {}};
        QL_TRY(bind_targets(stmt, item, inner));
        QL_ASSIGN(const Value passes, evaluate(*stmt.filter, inner));
        if (passes.truthy()) QL_TRY(kept.add(item));
    }
    QL_ASSIGN(const Value filtered, kept.list());
    return filtered.list_ptr();
}

Result<Flow> Evaluator::loop(const Stmt & stmt, Scope & scope, Text & out) {
    QL_ASSIGN(const auto list, loop_items(stmt, scope));
    if (list->items.empty()) {
        Scope inner{&scope, {}};
        return execute(stmt.orelse, inner, out);
    }
    const auto state = std::make_shared<Loop>(Loop{list, 0, ++loop_depth_, false, {}});
    Result<Flow> flow = Flow::normal;
    Dict left_behind;
    while (true) {
        flow = iteration(stmt, state, scope, out, left_behind);
        if (!flow.ok() || *flow == Flow::leave || state->index + 1 == list->items.size()) break;
        ++state->index;
    }
    state->changed.clear();  // it may hold the loop itself
    state->over = true;
    --loop_depth_;
    if (!flow.ok()) return flow.status();
    return Flow::normal;
}

[[gnu::noinline]] Result<Flow> Evaluator::iteration(const Stmt & stmt, const std::shared_ptr<Loop> & loop,
                                                    Scope & scope, Text & out, Dict & left_behind) {
    QL_TRY(meter_.step(2));  // an empty body costs, too
    Scope inner{&scope, {}};
    inner.names.set("loop", Value(loop));
    QL_TRY(bind_targets(stmt, loop->items->items[loop->index], inner));
    if (!watch_) return execute(stmt.body, inner, out);
    inner.left_behind = &left_behind;
    auto flow = execute(stmt.body, inner, out);
    for (const auto & [name, value] : inner.names.items()) left_behind.set(name, Value());
    return flow;
}

[[gnu::noinline]] Status Evaluator::assign(const Stmt & stmt, Scope & scope) {
    QL_ASSIGN(Value value, evaluate(*stmt.expr, scope));
    return stmt.attribute.empty() ? bind_targets(stmt, value, scope) : set_attribute(stmt, std::move(value), scope);
}

Status Evaluator::set_attribute(const Stmt & stmt, Value value, const Scope & scope) {
    const Value * target = scope.find(stmt.targets[0]);
    if (!target || !target->is_namespace())
        return error(QL_INVALID_ARGUMENT, "'%s' is not a namespace; only those have attributes to set",
                     stmt.targets[0].c_str());
    QL_TRY(meter_.charge(stmt.attribute.size()));
    target->ns().attributes.set(stmt.attribute, std::move(value));
    return {};
}

[[gnu::noinline]] Status Evaluator::capture(const Stmt & stmt, Scope & scope) {
    Scope inner{&scope, {}};
    Text text;
    QL_ASSIGN(const Flow flow, execute(stmt.body, inner, text));
    if (flow != Flow::normal) return error(QL_UNSUPPORTED, "break or continue inside a block set is not supported");
    Value value(std::move(text));
    if (stmt.expr) {
        QL_ASSIGN(value, filter(*stmt.expr, scope, &value));
    }
    return stmt.attribute.empty() ? bind_targets(stmt, value, scope) : set_attribute(stmt, std::move(value), scope);
}

[[gnu::noinline]] Status Evaluator::filtered(const Stmt & stmt, Scope & scope, Text & out) {
    Scope inner{&scope, {}};
    Text text;
    QL_ASSIGN(const Flow flow, execute(stmt.body, inner, text));
    if (flow != Flow::normal) return error(QL_UNSUPPORTED, "break or continue inside a filter block is not supported");
    const Value captured(std::move(text));
    QL_ASSIGN(const Value value, filter(*stmt.expr, scope, &captured));
    QL_ASSIGN(const TextPtr result, to_text(value, meter_));
    return append(out, *result, meter_);
}

/// The parameters as names of `scope`. Defaults may use the parameters before them.
Status Evaluator::bind_macro(const Stmt & macro, Call & call, Scope & scope) {
    const auto & parameters = macro.parameters;
    std::vector<Parameter> names;
    QL_TRY(meter_.step(parameters.size()));
    for (const auto & parameter : parameters) names.push_back({parameter.first.c_str()});
    QL_TRY(bind(call, names));
    for (size_t i = 0; i < parameters.size(); ++i) {
        Value value = call.given(i) ? call.args[i] : Value(Undefined::of(parameters[i].first));
        if (!call.given(i) && parameters[i].second) {
            QL_ASSIGN(value, evaluate(*parameters[i].second, scope));
        }
        scope.names.set(parameters[i].first, std::move(value));
    }
    return {};
}

[[gnu::noinline]] Result<Value> Evaluator::call_macro(const Stmt & macro, Call call, const Scope & caller) {
    Scope scope{&root_, {}};
    scope.caller = &caller;
    QL_TRY(bind_macro(macro, call, scope));
    QL_TRY(meter_.charge(sizeof(Text)));
    Text out;
    QL_ASSIGN(const Flow flow, execute(macro.body, scope, out));
    (void)flow;
    return Value(std::move(out));
}

}  // namespace ql::jinja
