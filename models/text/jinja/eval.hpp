// Runs a parsed template over its variables.
#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "models/text/jinja/ast.hpp"
#include "models/text/jinja/ops.hpp"
#include "models/text/jinja/watch.hpp"

namespace ql::jinja {

/// Renders the template with these variables; `date` ("YYYY-MM-DD", or empty) is what strftime_now tells: without one
/// it is undefined, so that a rendering never depends on the day. The result's runs say where its bytes come from.
/// `watch`, where there is one, is told what is done (watch.hpp).
Result<Text> render(const Block & block, Dict variables, const std::string & date, Meter meter = Meter(),
                    Watch * watch = nullptr);

/// Names and values; a lookup goes on in the scope around it.
struct Scope {
    const Scope * parent = nullptr;
    Dict names;
    // For a watch alone: names are not looked up here.
    const Dict * left_behind = nullptr;  // what earlier rounds of the loop have set
    const Scope * caller = nullptr;      // where the macro was called
    const Value * find(std::string_view name) const {
        for (const Scope * scope = this; scope; scope = scope->parent)
            if (const Value * value = scope->names.find(name)) return value;
        return nullptr;
    }
};

class Evaluator {
  public:
    enum class Flow { normal, leave, next };  // leave: {% break %}, next: {% continue %}

    Evaluator(Dict variables, const std::string & date, Meter meter, Watch * watch);
    ~Evaluator();
    Result<Text> run(const Block & block);

  private:
    // Statements: eval.cpp.
    Result<Flow> execute(const Block & block, Scope & scope, Text & out);
    Result<Flow> execute(const Stmt & stmt, Scope & scope, Text & out);
    Status print(const Stmt & stmt, Scope & scope, Text & out);
    Result<Flow> condition(const Stmt & stmt, Scope & scope, Text & out);
    Result<Flow> loop(const Stmt & stmt, Scope & scope, Text & out);
    Result<std::shared_ptr<const List>> loop_items(const Stmt & stmt, Scope & scope);
    Status assign(const Stmt & stmt, Scope & scope);
    Status capture(const Stmt & stmt, Scope & scope);
    Status filtered(const Stmt & stmt, Scope & scope, Text & out);
    Result<Flow> generation(const Stmt & stmt, Scope & scope, Text & out);
    Result<Flow> iteration(const Stmt & stmt, const std::shared_ptr<Loop> & loop, Scope & scope, Text & out,
                           Dict & left_behind);
    Status set_attribute(const Stmt & stmt, Value value, const Scope & scope);
    Status bind_targets(const Stmt & stmt, const Value & value, Scope & scope);
    Status bind_macro(const Stmt & macro, Call & call, Scope & scope);
    Result<Value> call_macro(const Stmt & macro, Call call, const Scope & caller);

    // Expressions: expr.cpp.
    Result<Value> evaluate(const Expr & expr, Scope & scope);
    Result<Value> evaluate_kind(const Expr & expr, Scope & scope);
    Result<Value> attribute(const Expr & expr, Scope & scope);
    Result<Value> index(const Expr & expr, Scope & scope);
    Result<Value> test(const Expr & expr, Scope & scope);
    Result<Value> arithmetic(const Expr & expr, Scope & scope);
    Result<Value> conditional(const Expr & expr, Scope & scope);
    Result<Value> logical(const Expr & expr, Scope & scope);
    Result<Value> unary(const Expr & expr, Scope & scope);
    Result<Value> comparison(const Expr & expr, Scope & scope);
    Result<Value> collection(const Expr & expr, Scope & scope);
    Result<Value> slice(const Expr & expr, Scope & scope);
    Result<Value> call(const Expr & expr, Scope & scope);
    Result<Value> filter(const Expr & expr, Scope & scope, const Value * captured);
    Result<Value> dict(const Expr & expr, Scope & scope);
    Result<Call> prepare(const Expr & expr, Scope & scope, std::string_view name, Value self);
    Result<Value> invoke(const Callable & callable, Call call, const Scope & caller);

    Meter meter_;
    Watch * const watch_;
    Scope globals_, root_;
    std::vector<std::shared_ptr<Namespace>> namespaces_;  // emptied at the end: they may hold one another
    int loop_depth_ = 0;
};

/// The status with "line N: " in front, unless a line inside has named itself already.
Status at_line(const Status & status, int line);

}  // namespace ql::jinja
