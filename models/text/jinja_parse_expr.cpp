// Expressions, one function for each level of precedence, lowest first:
//   a if c else b | or | and | not | comparisons, in | + - | ~ | * / // % | ** | unary, postfix, filters, tests
#include <algorithm>
#include <charconv>
#include <initializer_list>

#include "models/text/jinja_parser.hpp"

namespace ql::jinja {

namespace {
using Kind = Expr::Kind;
using Type = Token::Type;
constexpr int kMaxDepth = 200;  // of the tree: evaluation and destruction recurse over it
constexpr int kMaxBrackets = 60;
}  // namespace

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

Result<ExprPtr> ExprParser::tuple(bool with_condition) {
    const auto element = [&] { return with_condition ? expression() : logical_or(); };
    QL_ASSIGN(ExprPtr first, element());
    if (!stream_.is_op(",")) return first;
    ExprPtr node = make(Kind::tuple);
    QL_TRY(add(*node, std::move(first)));
    while (stream_.take_op(",")) {
        if (stream_.is(Type::block_end) || stream_.is(Type::variable_end) || stream_.is_op(")")) break;
        QL_ASSIGN(ExprPtr next, element());
        QL_TRY(add(*node, std::move(next)));
    }
    return node;
}

Result<ExprPtr> ExprParser::expression() {
    if (++nesting_ > kMaxBrackets) return template_error(stream_.line(), "an expression is nested too deeply");
    QL_ASSIGN(ExprPtr node, logical_or());
    while (stream_.is_word("if")) {
        ExprPtr choice = make(Kind::conditional);
        stream_.next();
        QL_ASSIGN(ExprPtr condition, logical_or());
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

Result<ExprPtr> ExprParser::left_chain(Level level, std::initializer_list<const char *> ops, bool words) {
    QL_ASSIGN(ExprPtr node, (this->*level)());
    while (true) {
        const char * found = nullptr;
        for (const char * op : ops)
            if (words ? stream_.is_word(op) : stream_.is_op(op)) found = op;
        if (!found) return node;
        ExprPtr parent = make(Kind::binary, found);
        stream_.next();
        QL_ASSIGN(ExprPtr right, (this->*level)());
        QL_TRY(add(*parent, std::move(node)));
        QL_TRY(add(*parent, std::move(right)));
        node = std::move(parent);
    }
}

Result<ExprPtr> ExprParser::logical_or() {
    return left_chain(&ExprParser::logical_and, {"or"}, true);
}
Result<ExprPtr> ExprParser::logical_and() {
    return left_chain(&ExprParser::logical_not, {"and"}, true);
}
Result<ExprPtr> ExprParser::sum() {
    return left_chain(&ExprParser::concat, {"+", "-"}, false);
}
Result<ExprPtr> ExprParser::concat() {
    return left_chain(&ExprParser::product, {"~"}, false);
}
Result<ExprPtr> ExprParser::product() {
    return left_chain(&ExprParser::power, {"*", "/", "//", "%"}, false);
}
Result<ExprPtr> ExprParser::power() {
    return left_chain(&ExprParser::unary, {"**"}, false);
}

Result<ExprPtr> ExprParser::logical_not() {
    if (!stream_.is_word("not")) return comparison();
    ExprPtr node = make(Kind::unary, "not");
    stream_.next();
    if (++nesting_ > kMaxBrackets) return template_error(stream_.line(), "an expression is nested too deeply");
    QL_ASSIGN(ExprPtr operand, logical_not());
    --nesting_;
    QL_TRY(add(*node, std::move(operand)));
    return node;
}

Result<ExprPtr> ExprParser::comparison() {
    QL_ASSIGN(ExprPtr first, sum());
    ExprPtr node;
    while (true) {
        std::string op;
        for (const char * symbol : {"==", "!=", "<=", ">=", "<", ">"})
            if (op.empty() && stream_.is_op(symbol)) op = symbol;
        if (op.empty() && stream_.is_word("in")) op = "in";
        if (op.empty() && stream_.is_word("not") && stream_.is(Type::name, "in", 1)) {
            op = "not in";
            stream_.next();
        }
        if (op.empty()) break;
        if (!node) {
            node = make(Kind::compare);
            QL_TRY(add(*node, std::move(first)));
        }
        stream_.next();
        QL_ASSIGN(ExprPtr right, sum());
        QL_TRY(add(*node, std::move(right)));
        node->ops.push_back(std::move(op));
    }
    return node ? std::move(node) : std::move(first);
}

Result<ExprPtr> ExprParser::unary() {
    QL_ASSIGN(ExprPtr node, unary_without_filters());
    return filters_and_tests(std::move(node));
}

Result<ExprPtr> ExprParser::unary_without_filters() {
    if (stream_.is_op("-") || stream_.is_op("+")) {
        ExprPtr node = make(Kind::unary, stream_.peek().value);
        stream_.next();
        if (++nesting_ > kMaxBrackets) return template_error(stream_.line(), "an expression is nested too deeply");
        QL_ASSIGN(ExprPtr operand, unary_without_filters());
        --nesting_;
        QL_TRY(add(*node, std::move(operand)));
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

/// The elements up to the closing bracket, the opening one being read.
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
            ExprPtr call = make(Kind::call);
            QL_TRY(add(*call, std::move(node)));
            QL_TRY(arguments(*call));
            node = std::move(call);
        } else {
            return node;
        }
    }
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
            call.named.emplace_back(std::move(name), std::move(value));
        } else {
            QL_ASSIGN(ExprPtr value, expression());
            QL_TRY(add(call, std::move(value)));
        }
    }
    return {};
}

Result<ExprPtr> ExprParser::filters(ExprPtr node) {
    while (stream_.is_op("|")) {
        stream_.next();
        if (!stream_.is(Type::name))
            return template_error(stream_.line(), "expected a filter's name after '|', got %s",
                                  stream_.describe().c_str());
        ExprPtr filter = make(Kind::filter, stream_.peek().value);
        stream_.next();
        QL_TRY(add(*filter, std::move(node)));
        if (stream_.is_op("(")) QL_TRY(arguments(*filter));
        node = std::move(filter);
    }
    return node;
}

Result<ExprPtr> ExprParser::filters_and_tests(ExprPtr node) {
    while (true) {
        if (stream_.is_op("|")) {
            QL_ASSIGN(node, filters(std::move(node)));
        } else if (stream_.is_word("is")) {
            QL_ASSIGN(node, test(std::move(node)));
        } else if (stream_.is_op("(")) {  // (x | f)(...)
            ExprPtr call = make(Kind::call);
            QL_TRY(add(*call, std::move(node)));
            QL_TRY(arguments(*call));
            node = std::move(call);
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
