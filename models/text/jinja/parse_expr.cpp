// Expressions. Operators are a table of how tightly they bind, lowest first, so that an operand costs a few calls and
// not one for each level; then come unary signs, postfixes, filters and tests.
#include <algorithm>
#include <charconv>

#include "models/text/jinja/parser.hpp"

namespace ql::jinja {

namespace {
using Kind = Expr::Kind;
using Type = Token::Type;
constexpr int kMaxDepth = 200;  // of the tree: evaluation and destruction recurse over it
constexpr int kMaxBrackets = 60;

enum Binding { kOr, kAnd, kNot, kCompare, kSum, kConcat, kProduct, kPower };
struct Operator {
    const char * symbol;
    Type token;
    int binding;
};
constexpr Operator kOperators[] = {
    {"or", Type::name, kOr},      {"and", Type::name, kAnd},  {"==", Type::op, kCompare}, {"!=", Type::op, kCompare},
    {"<=", Type::op, kCompare},   {">=", Type::op, kCompare}, {"<", Type::op, kCompare},  {">", Type::op, kCompare},
    {"in", Type::name, kCompare}, {"+", Type::op, kSum},      {"-", Type::op, kSum},      {"~", Type::op, kConcat},
    {"*", Type::op, kProduct},    {"/", Type::op, kProduct},  {"//", Type::op, kProduct}, {"%", Type::op, kProduct},
    {"**", Type::op, kPower},
};
constexpr Operator kNotIn = {"not in", Type::name, kCompare};

/// The operator at the stream's position, null where there is none.
const Operator * operator_at(const TokenStream & stream) {
    if (stream.is(Type::name, "not") && stream.is(Type::name, "in", 1)) return &kNotIn;
    for (const Operator & op : kOperators)
        if (stream.is(op.token, op.symbol)) return &op;
    return nullptr;
}

}  // namespace

Status ExprParser::enter() {
    Status room = stack_.check();
    if (!room.ok()) return template_error(stream_.line(), "%s", room.message().c_str());
    if (++nesting_ > kMaxBrackets) return template_error(stream_.line(), "an expression is nested too deeply");
    return {};
}

ExprPtr ExprParser::make(Kind kind, std::string name) const {
    auto node = std::make_unique<Expr>();
    node->kind = kind;
    node->line = stream_.line();
    node->name = std::move(name);
    return node;
}

Status ExprParser::add(Expr & parent, ExprPtr child) const {
    if (child) parent.depth = std::max(parent.depth, child->depth + 1);
    if (parent.depth > kMaxDepth) return template_error(stream_.line(), "an expression is nested too deeply");
    parent.args.push_back(std::move(child));
    return {};
}

Result<ExprPtr> ExprParser::element(bool with_condition) {
    return with_condition ? expression() : chain(kOr);
}

Result<ExprPtr> ExprParser::tuple(bool with_condition) {
    QL_ASSIGN(ExprPtr first, element(with_condition));
    if (!stream_.is_op(",")) return first;
    ExprPtr node = make(Kind::tuple);
    QL_TRY(add(*node, std::move(first)));
    while (stream_.take_op(",")) {
        if (stream_.is(Type::block_end) || stream_.is(Type::variable_end) || stream_.is_op(")")) break;
        QL_ASSIGN(ExprPtr next, element(with_condition));
        QL_TRY(add(*node, std::move(next)));
    }
    return node;
}

Result<ExprPtr> ExprParser::expression() {
    QL_TRY(enter());
    QL_ASSIGN(ExprPtr node, chain(kOr));
    while (stream_.is_word("if")) {
        ExprPtr choice = make(Kind::conditional);
        stream_.next();
        QL_ASSIGN(ExprPtr condition, chain(kOr));
        ExprPtr otherwise;
        if (stream_.take_word("else")) {
            QL_ASSIGN(otherwise, expression());
        }
        QL_TRY(add(*choice, std::move(node)));
        QL_TRY(add(*choice, std::move(condition)));
        QL_TRY(add(*choice, std::move(otherwise)));
        node = std::move(choice);
    }
    --nesting_;
    return node;
}

Result<ExprPtr> ExprParser::operand(int lowest) {
    if (lowest > kNot || !stream_.is_word("not")) return unary();
    ExprPtr node = make(Kind::unary, "not");
    stream_.next();
    QL_TRY(enter());
    QL_ASSIGN(ExprPtr inner, chain(kNot));
    --nesting_;
    QL_TRY(add(*node, std::move(inner)));
    return node;
}

Result<ExprPtr> ExprParser::chain(int lowest) {
    QL_ASSIGN(ExprPtr node, operand(lowest));
    while (true) {
        const Operator * op = operator_at(stream_);
        if (!op || op->binding < lowest) return node;
        if (op->binding == kCompare) {
            QL_ASSIGN(node, comparison(std::move(node)));
            continue;
        }
        ExprPtr parent = make(op->binding <= kAnd ? Kind::logical : Kind::binary, op->symbol);
        stream_.next();
        QL_ASSIGN(ExprPtr right, chain(op->binding + 1));
        QL_TRY(add(*parent, std::move(node)));
        QL_TRY(add(*parent, std::move(right)));
        node = std::move(parent);
    }
}

/// first < b <= c ...: one node for all neighbours.
Result<ExprPtr> ExprParser::comparison(ExprPtr first) {
    ExprPtr node = make(Kind::compare);
    QL_TRY(add(*node, std::move(first)));
    for (const Operator * op; (op = operator_at(stream_)) && op->binding == kCompare;) {
        stream_.next();
        if (op == &kNotIn) stream_.next();
        QL_ASSIGN(ExprPtr right, chain(kCompare + 1));
        QL_TRY(add(*node, std::move(right)));
        node->ops.emplace_back(op->symbol);
    }
    return node;
}

Result<ExprPtr> ExprParser::unary() {
    QL_ASSIGN(ExprPtr node, unary_without_filters());
    return filters_and_tests(std::move(node));
}

Result<ExprPtr> ExprParser::unary_without_filters() {
    if (stream_.is_op("-") || stream_.is_op("+")) {
        ExprPtr node = make(Kind::unary, stream_.peek().value);
        stream_.next();
        QL_TRY(enter());
        QL_ASSIGN(ExprPtr signed_one, unary_without_filters());
        --nesting_;
        QL_TRY(add(*node, std::move(signed_one)));
        return postfix(std::move(node));
    }
    QL_ASSIGN(ExprPtr node, primary());
    return postfix(std::move(node));
}

Result<ExprPtr> ExprParser::primary() {
    switch (stream_.peek().type) {
        case Type::name:
            return name_or_constant();
        case Type::integer:
        case Type::floating:
            return number();
        case Type::string: {
            ExprPtr node = make(Kind::literal);
            std::string value;
            while (stream_.is(Type::string)) value += stream_.next().value;  // "a" "b" is one string
            node->value = Value(std::move(value));
            return node;
        }
        default:
            break;
    }
    if (stream_.is_op("(")) return parenthesis();
    if (stream_.is_op("[")) {
        stream_.next();
        return sequence("]", Kind::list);
    }
    if (stream_.is_op("{")) return dictionary();
    return template_error(stream_.line(), "expected an expression, got %s", stream_.describe().c_str());
}

Result<ExprPtr> ExprParser::name_or_constant() {
    ExprPtr node = make(Kind::literal);
    const std::string name = stream_.next().value;
    if (name == "true" || name == "True") {
        node->value = Value(true);
    } else if (name == "false" || name == "False") {
        node->value = Value(false);
    } else if (name == "none" || name == "None") {
        node->value = Value(None{});
    } else {
        for (const char * keyword : {"if", "else", "and", "or", "not", "in", "is", "elif"})
            if (name == keyword) return template_error(node->line, "expected an expression, got '%s'", keyword);
        node->kind = Kind::name;
        node->name = name;
    }
    return node;
}

Result<ExprPtr> ExprParser::number() {
    ExprPtr node = make(Kind::literal);
    const Token & token = stream_.next();
    const char *begin = token.value.data(), *end = begin + token.value.size();
    if (token.type == Type::integer) {
        int64_t value = 0;
        if (std::from_chars(begin, end, value).ec != std::errc())
            return template_error(token.line, "the number %s is too large", token.value.c_str());
        node->value = Value(value);
    } else {
        double value = 0;
        if (std::from_chars(begin, end, value).ec != std::errc())
            return template_error(token.line, "the number %s is out of range", token.value.c_str());
        node->value = Value(value);
    }
    return node;
}

/// The elements up to the closing bracket; the opening one has been read.
Result<ExprPtr> ExprParser::sequence(const char * closing, Kind kind) {
    ExprPtr node = make(kind);
    while (!stream_.take_op(closing)) {
        if (!node->args.empty()) QL_TRY(stream_.expect_op(","));
        if (stream_.take_op(closing)) break;
        QL_ASSIGN(ExprPtr item, expression());
        QL_TRY(add(*node, std::move(item)));
    }
    return node;
}

Result<ExprPtr> ExprParser::parenthesis() {
    stream_.next();
    if (stream_.is_op(")")) return sequence(")", Kind::tuple);
    QL_ASSIGN(ExprPtr node, tuple());
    QL_TRY(stream_.expect_op(")"));
    return node;
}

Result<ExprPtr> ExprParser::dictionary() {
    ExprPtr node = make(Kind::dict);
    stream_.next();
    while (!stream_.take_op("}")) {
        if (!node->args.empty()) QL_TRY(stream_.expect_op(","));
        if (stream_.take_op("}")) break;
        QL_ASSIGN(ExprPtr key, expression());
        QL_TRY(stream_.expect_op(":"));
        QL_ASSIGN(ExprPtr value, expression());
        QL_TRY(add(*node, std::move(key)));
        QL_TRY(add(*node, std::move(value)));
    }
    return node;
}

Result<ExprPtr> ExprParser::postfix(ExprPtr node) {
    while (true) {
        if (stream_.is_op(".")) {
            stream_.next();
            ExprPtr parent = make(Kind::attribute, stream_.peek().value);
            if (stream_.is(Type::integer)) return template_error(stream_.line(), "an attribute cannot be a number");
            if (!stream_.is(Type::name))
                return template_error(stream_.line(), "expected a name after '.', got %s", stream_.describe().c_str());
            stream_.next();
            QL_TRY(add(*parent, std::move(node)));
            node = std::move(parent);
        } else if (stream_.is_op("[")) {
            QL_ASSIGN(node, subscript(std::move(node)));
        } else if (stream_.is_op("(")) {
            QL_ASSIGN(node, call(std::move(node)));
        } else {
            return node;
        }
    }
}

Result<ExprPtr> ExprParser::call(ExprPtr callee) {
    ExprPtr node = make(Kind::call);
    QL_TRY(add(*node, std::move(callee)));
    QL_TRY(arguments(*node));
    return node;
}

Result<ExprPtr> ExprParser::subscript(ExprPtr operand) {
    ExprPtr node = make(Kind::index);
    stream_.next();
    QL_TRY(add(*node, std::move(operand)));
    const auto part = [&]() -> Status {
        ExprPtr value;
        if (!stream_.is_op(":") && !stream_.is_op("]")) {
            QL_ASSIGN(value, expression());
        }
        return add(*node, std::move(value));
    };
    QL_TRY(part());
    while (stream_.take_op(":")) {
        node->kind = Kind::slice;
        QL_TRY(part());
    }
    if (node->args.size() > 4 || (node->kind == Kind::index && !node->args[1]))
        return template_error(node->line, "a subscript [] needs an index or a slice");
    while (node->kind == Kind::slice && node->args.size() < 4) node->args.push_back(nullptr);
    QL_TRY(stream_.expect_op("]"));
    return node;
}

Status ExprParser::arguments(Expr & call) {
    QL_TRY(stream_.expect_op("("));
    bool first = true;
    while (!stream_.take_op(")")) {
        if (!first) QL_TRY(stream_.expect_op(","));
        first = false;
        if (stream_.take_op(")")) break;
        if (stream_.is_op("*") || stream_.is_op("**"))
            return template_error(stream_.line(), "arguments with '%s' are not supported",
                                  stream_.peek().value.c_str());
        if (stream_.is(Type::name) && stream_.is(Type::op, "=", 1)) {
            std::string name = stream_.next().value;
            stream_.next();
            QL_ASSIGN(ExprPtr value, expression());
            call.depth = std::max(call.depth, value->depth + 1);
            if (call.depth > kMaxDepth) return template_error(call.line, "an expression is nested too deeply");
            call.named.emplace_back(std::move(name), std::move(value));
        } else {
            QL_ASSIGN(ExprPtr value, expression());
            QL_TRY(add(call, std::move(value)));
        }
    }
    return {};
}

Result<ExprPtr> ExprParser::filter(ExprPtr node) {
    if (!stream_.is(Type::name))
        return template_error(stream_.line(), "expected a filter's name, got %s", stream_.describe().c_str());
    ExprPtr filter = make(Kind::filter, stream_.peek().value);
    stream_.next();
    QL_TRY(add(*filter, std::move(node)));
    if (stream_.is_op("(")) QL_TRY(arguments(*filter));
    return filter;
}

Result<ExprPtr> ExprParser::filters(ExprPtr node) {
    while (stream_.take_op("|")) {
        QL_ASSIGN(node, filter(std::move(node)));
    }
    return node;
}

Result<ExprPtr> ExprParser::filter_chain() {
    QL_ASSIGN(ExprPtr first, filter(nullptr));
    return filters(std::move(first));
}

Result<ExprPtr> ExprParser::filters_and_tests(ExprPtr node) {
    while (true) {
        if (stream_.is_op("|")) {
            QL_ASSIGN(node, filters(std::move(node)));
        } else if (stream_.is_word("is")) {
            QL_ASSIGN(node, test(std::move(node)));
        } else if (stream_.is_op("(")) {  // (x | f)(...)
            QL_ASSIGN(node, call(std::move(node)));
        } else {
            return node;
        }
    }
}

Result<ExprPtr> ExprParser::test(ExprPtr operand) {
    stream_.next();
    const bool negated = stream_.take_word("not");
    if (!stream_.is(Type::name))
        return template_error(stream_.line(), "expected a test's name after 'is', got %s", stream_.describe().c_str());
    ExprPtr node = make(Kind::test, stream_.peek().value);
    stream_.next();
    QL_TRY(add(*node, std::move(operand)));
    bool ends = false;
    for (const char * word : {"else", "or", "and", "if", "is", "not", "in"}) ends = ends || stream_.is_word(word);
    const Type type = stream_.peek().type;
    if (stream_.is_op("(")) {
        QL_TRY(arguments(*node));
    } else if (!ends && (type == Type::name || type == Type::string || type == Type::integer ||
                         type == Type::floating || stream_.is_op("[") || stream_.is_op("{"))) {
        QL_ASSIGN(ExprPtr argument, primary());
        QL_ASSIGN(argument, postfix(std::move(argument)));
        QL_TRY(add(*node, std::move(argument)));
    }
    if (!negated) return node;
    ExprPtr inverse = make(Kind::unary, "not");
    QL_TRY(add(*inverse, std::move(node)));
    return inverse;
}

}  // namespace ql::jinja
