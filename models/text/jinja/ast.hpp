// The tree of a parsed template. Nodes are plain structs; which members a kind uses is said beside it.
#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "models/text/jinja/value.hpp"

namespace ql::jinja {

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

struct Expr {
    enum class Kind {
        literal,      // value
        name,         // name
        list,         // args
        tuple,        // args
        dict,         // args: key, value, key, value ...
        attribute,    // args[0].name
        index,        // args[0][args[1]]
        slice,        // args[0][args[1]:args[2]:args[3]]; absent ones are null
        call,         // args[0](args[1..], named)
        filter,       // args[0] | name(args[1..], named)
        test,         // args[0] is name(args[1..])
        unary,        // name: "-" "+" "not"; args[0]
        binary,       // name: + - * / // % ** ~; args[0], args[1]
        logical,      // name: and or; args[0], args[1]
        compare,      // args[0] ops[0] args[1] ops[1] args[2] ...
        conditional,  // args[0] if args[1] else args[2] (null where there is no else)
    };
    Kind kind;
    int line = 1;
    int depth = 1;  // levels of expressions below and including this one; bounded, as trees are freed by recursion
    std::string name;
    Value value;
    std::vector<ExprPtr> args;
    std::vector<std::pair<std::string, ExprPtr>> named;
    std::vector<std::string> ops;
};

struct Stmt;
using Block = std::vector<std::unique_ptr<Stmt>>;

struct Stmt {
    enum class Kind {
        text,        // text
        print,       // expr
        condition,   // branches: (condition, body)...; orelse
        loop,        // for targets in expr if filter: body, orelse
        assign,      // targets = expr; with attribute: targets[0].attribute = expr
        capture,     // {% set target %} body {% endset %}, filters around it in expr (null where none)
        filtered,    // {% filter expr %} body {% endfilter %}
        macro,       // name, parameters with defaults (null where none), body
        generation,  // body
        leave,       // {% break %}
        next,        // {% continue %}
    };
    Kind kind;
    int line = 1;
    std::string name, attribute;
    Text text;
    ExprPtr expr, filter;
    std::vector<std::string> targets;
    std::vector<std::pair<ExprPtr, Block>> branches;
    std::vector<std::pair<std::string, ExprPtr>> parameters;
    Block body, orelse;
};

}  // namespace ql::jinja
